// Runs the page's scripts in order after the first paint, which they would delay by 20 ms, and by more in a browser that
// was just opened. Forms and links work without them. This element removes itself when all have run.
"use strict";

{
  const starter = document.currentScript;
  const run = () => {
    const scripts = starter.dataset.scripts.split(" ").map((src) =>
      Object.assign(document.createElement("script"), { src, async: false }));
    scripts.at(-1).onload = () => starter.remove();
    document.head.append(...scripts);
  };
  // A page that opens in the background is not painted until it is visible.
  if (document.hidden) run();
  else {
    new PerformanceObserver((_, observer) => {
      observer.disconnect();
      run();
    }).observe({ type: "paint", buffered: true });
  }
}
