// Runs the page's scripts, in their order, once it is painted: before, they held up the first paint by 20 ms, and by more
// in a browser that was just opened. Forms and links work without them. This element leaves when all have run.
"use strict";

{
  const starter = document.currentScript;
  const run = () => {
    const scripts = starter.dataset.scripts.split(" ").map((src) =>
      Object.assign(document.createElement("script"), { src, async: false }));
    scripts.at(-1).onload = () => starter.remove();
    document.head.append(...scripts);
  };
  // A page that opens in the background is painted when somebody looks at it.
  if (document.hidden) run();
  else {
    new PerformanceObserver((_, observer) => {
      observer.disconnect();
      run();
    }).observe({ type: "paint", buffered: true });
  }
}
