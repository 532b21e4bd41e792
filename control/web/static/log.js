// The log, live: new lines come as server-sent events, wait while somebody reads or pauses, and can be filtered.
"use strict";

(() => {
  const KEPT = 2000; // lines
  const MOST = 200000; // characters of them: a line may be long, and laying out megabytes stops the page
  const PAUSE = 200; // milliseconds between two renewals
  const AGAIN = 3000; // milliseconds until a stream that broke off is opened anew

  const panel = document.getElementById("log");
  const [tail, shown, state] = [panel.querySelector(".tail"), by("log-lines"), by("log-state")];
  const [filter, pause] = [by("log-filter"), by("log-pause")];
  const empty = state.textContent;

  let lines = shown.textContent.split("\n").slice(0, -1);
  let waiting = 0;
  let position = panel.dataset.position;
  let source = null;
  let timer = 0;
  let renewal = 0;
  let isBroken = false;

  const isPaused = () => pause.getAttribute("aria-pressed") === "true";

  // The end is at 0: the column is reversed.
  function isRead() {
    const selection = document.getSelection();
    return tail.scrollTop < -4 || (!selection.isCollapsed && selection.containsNode(shown, true));
  }

  function matching() {
    const wanted = filter.value.trim().toLowerCase();
    return wanted ? lines.filter((line) => line.toLowerCase().includes(wanted)) : lines;
  }

  function show() {
    const found = matching();
    shown.textContent = found.map((line) => `${line}\n`).join("");
    waiting = 0;
    tail.hidden = !lines.length;
    tell(lines.length && !found.length ? "No line has this text." : lines.length ? "" : empty);
  }

  function tell(usual) {
    const text = isBroken ? "New lines do not come at the moment. This page tries again by itself."
      : isPaused() ? `Paused.${waiting ? ` New lines that wait: ${waiting}.` : ""}` : usual;
    if (state.textContent !== text) state.textContent = text;
  }

  function add(text) {
    const added = text.split("\n");
    lines = kept([...lines, ...added]);
    waiting += added.length;
    renewal ||= setTimeout(() => { renewal = 0; renew(); }, PAUSE);
  }

  // The last lines; of a last one that is longer than there is room for, its beginning.
  function kept(all) {
    let [first, room] = [all.length, MOST];
    while (first > Math.max(0, all.length - KEPT) && all[first - 1].length <= room) {
      first -= 1;
      room -= all[first].length;
    }
    return first < all.length ? all.slice(first) : [all.at(-1).slice(0, MOST)];
  }

  function renew() {
    if (isPaused() || isRead()) tell("");
    else if (waiting) show();
  }

  // Only while the page is seen: a browser opens few connections to one server, and other pages need them too.
  function follow() {
    clearTimeout(timer);
    source?.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource(`/process/logs?follow=1&after=${encodeURIComponent(position)}`);
    source.onopen = () => { isBroken = false; renew(); };
    source.onmessage = ({ data, lastEventId }) => { position = lastEventId; add(data); };
    source.onerror = () => {
      source.close();
      isBroken = true;
      tell("");
      timer = setTimeout(follow, AGAIN);
    };
  }

  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(!isPaused()));
    if (isPaused()) tell(""); else show();
  });
  filter.addEventListener("input", show);
  tail.addEventListener("scroll", renew);
  document.addEventListener("selectionchange", renew);
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => source?.close());

  // "Show in the log" beside an answer.
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-filter]");
    if (!button) return;
    filter.value = button.dataset.filter;
    show();
    panel.scrollIntoView({ block: "nearest" });
    filter.focus();
  });

  // A page about a request leads here, to its lines.
  const wanted = new URLSearchParams(location.search).get("log");
  if (wanted) filter.value = wanted;
  if (filter.value) show(); // it may have been typed before this script ran
  follow();
})();
