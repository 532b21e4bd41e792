// What all pages share that renew themselves: what a person reads is kept still, an absent server is told, texts are
// copied, and clocks are this person's own.
"use strict";

const by = (id) => document.getElementById(id);

// Parts that are not to be renewed just now, because something in them is selected.

function isBeingRead(part) {
  const selection = document.getSelection();
  return !selection.isCollapsed && selection.containsNode(part, true);
}

let held = [];

document.addEventListener("htmx:before:swap", () => {
  held = [...document.querySelectorAll(".keeps")].filter(isBeingRead);
  held.forEach((part) => part.setAttribute("hx-morph-skip", ""));
});

document.addEventListener("htmx:after:swap", () => {
  held.forEach((part) => part.removeAttribute("hx-morph-skip"));
  // What was held back is out of date: ask for it again.
  if (held.length) document.querySelectorAll("[name=seen]").forEach((seen) => { seen.value = ""; });
  tellClocks();
});

// Whether the server answers.

const setOffline = (offline) => { by("offline").hidden = !offline; };
document.addEventListener("htmx:error", ({ detail }) => { if (detail.ctx) setOffline(true); });
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  // While the homepage itself is down, nginx answers in its place.
  setOffline(ctx.response.status !== 204 && !/id="(status|requests)"/.test(ctx.text));
});

// Copying.

async function copy(text, element) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not on https or localhost, or not allowed: the selection can still be copied.
    document.getSelection().selectAllChildren(element);
    if (!document.execCommand("copy")) return;
  }
  by("said").textContent = "";
  requestAnimationFrame(() => { by("said").textContent = "Copied."; });
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

// Times of day as this person's clock shows them.

function tellClocks() {
  for (const element of document.querySelectorAll("time[data-clock]")) {
    const then = new Date(element.dateTime);
    const clock = then.toLocaleTimeString("en-GB");
    element.textContent = element.dataset.clock === "date" ? `${then.toLocaleDateString()} ${clock}` : clock;
  }
}

tellClocks();
