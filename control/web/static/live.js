// Shared by all pages that update themselves: selected text is kept, a server that cannot be reached is reported, texts
// are copied, and times are in the browser's time zone.
"use strict";

const by = (id) => document.getElementById(id);

// Parts with selected text, which an update must not replace.

function hasSelection(part) {
  const selection = document.getSelection();
  return !selection.isCollapsed && selection.containsNode(part, true);
}

let skipped = [];

document.addEventListener("htmx:before:swap", () => {
  skipped = [...document.querySelectorAll(".keep-selection")].filter(hasSelection);
  skipped.forEach((part) => part.setAttribute("hx-morph-skip", ""));
});

document.addEventListener("htmx:after:swap", () => {
  skipped.forEach((part) => part.removeAttribute("hx-morph-skip"));
  // The skipped parts are out of date: fetch them again.
  if (skipped.length) document.querySelectorAll("[name=seen]").forEach((seen) => { seen.value = ""; });
  showClocks();
});

// Whether the server responds.

const setOffline = (offline) => { by("offline").hidden = !offline; };
document.addEventListener("htmx:error", ({ detail }) => { if (detail.ctx) setOffline(true); });
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  // While the control app is down, nginx responds in its place.
  setOffline(ctx.response.status !== 204 && !/id="(status|requests)"/.test(ctx.text));
});

// Copying.

async function copy(text, element) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https or localhost, or without permission: the selection can still be copied.
    document.getSelection().selectAllChildren(element);
    if (!document.execCommand("copy")) return;
  }
  by("announcement").textContent = "";
  requestAnimationFrame(() => { by("announcement").textContent = "Copied."; });
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const element = by(button.dataset.copy) ?? button.parentElement.querySelector("code");
  copy(element.textContent, element).then(() => {
    const label = button.firstChild;
    label.data = "Copied";
    setTimeout(() => { label.data = "Copy"; }, 2000);
  });
});

// Times of day in the browser's time zone.

function showClocks() {
  for (const element of document.querySelectorAll("time[data-clock]")) {
    const then = new Date(element.dateTime);
    const clock = then.toLocaleTimeString("en-GB");
    element.textContent = element.dataset.clock === "date" ? `${then.toLocaleDateString()} ${clock}` : clock;
  }
}

showClocks();
