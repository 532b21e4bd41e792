// The live log: new lines arrive as server-sent events, wait while the person reads or pauses, and can be filtered.
"use strict";

(() => {
  const MAX_LINES = 2000;
  const MAX_CHARACTERS = 200000; // a line may be long, and laying out megabytes freezes the page
  const RENDER_INTERVAL = 200; // milliseconds
  const RECONNECT_DELAY = 3000; // milliseconds

  const panel = document.getElementById("log");
  const [tail, output, state] = [panel.querySelector(".tail"), by("log-lines"), by("log-state")];
  const [filter, pause] = [by("log-filter"), by("log-pause")];
  const empty = state.textContent;

  let lines = output.textContent.split("\n").slice(0, -1);
  let waiting = 0;
  let position = panel.dataset.position;
  let source = null;
  let reconnectTimer = 0;
  let renderTimer = 0;
  let isBroken = false;

  const isPaused = () => pause.getAttribute("aria-pressed") === "true";

  // The column is reversed: its end is at 0.
  function isReading() {
    const selection = document.getSelection();
    return tail.scrollTop < -4 || (!selection.isCollapsed && selection.containsNode(output, true));
  }

  function matchingLines() {
    const text = filter.value.trim().toLowerCase();
    return text ? lines.filter((line) => line.toLowerCase().includes(text)) : lines;
  }

  function show() {
    const matches = matchingLines();
    output.textContent = matches.map((line) => `${line}\n`).join("");
    waiting = 0;
    tail.hidden = !lines.length;
    setState(lines.length && !matches.length ? "No line contains this text." : lines.length ? "" : empty);
  }

  function setState(normal) {
    const text = isBroken ? "New lines cannot be fetched at the moment. This page tries again automatically."
      : isPaused() ? `Paused.${waiting ? ` New lines: ${waiting}.` : ""}` : normal;
    if (state.textContent !== text) state.textContent = text;
  }

  function add(text) {
    const added = text.split("\n");
    lines = lastLines([...lines, ...added]);
    waiting += added.length;
    renderTimer ||= setTimeout(() => { renderTimer = 0; update(); }, RENDER_INTERVAL);
  }

  // The last lines within the limits; of a single line above MAX_CHARACTERS, its beginning.
  function lastLines(all) {
    let [first, room] = [all.length, MAX_CHARACTERS];
    while (first > Math.max(0, all.length - MAX_LINES) && all[first - 1].length <= room) {
      first -= 1;
      room -= all[first].length;
    }
    return first < all.length ? all.slice(first) : [all.at(-1).slice(0, MAX_CHARACTERS)];
  }

  function update() {
    if (isPaused() || isReading()) setState("");
    else if (waiting) show();
  }

  // Only while the page is visible: a browser opens few connections to one server, and other pages need them too.
  function follow() {
    clearTimeout(reconnectTimer);
    source?.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource(`${panel.dataset.address}&after=${encodeURIComponent(position)}`);
    source.onopen = () => { isBroken = false; update(); };
    source.onmessage = ({ data, lastEventId }) => { position = lastEventId; add(data); };
    source.onerror = () => {
      source.close();
      isBroken = true;
      setState("");
      reconnectTimer = setTimeout(follow, RECONNECT_DELAY);
    };
  }

  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    if (isPaused()) setState(""); else show();
  });
  filter.addEventListener("input", show);
  tail.addEventListener("scroll", update);
  document.addEventListener("selectionchange", update);
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => source?.close());

  // "Show in log" beside a response.
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-filter]");
    if (!button) return;
    filter.value = button.dataset.filter;
    show();
    panel.scrollIntoView({ block: "nearest" });
    filter.focus();
  });

  // A request's page links here with the request id.
  const requestId = new URLSearchParams(location.search).get("log");
  if (requestId) filter.value = requestId;
  if (filter.value) show(); // it may have been typed before this script ran
  follow();
})();
