// What the homepage's forms cannot do: the header for Hasura, how long ago things were, and keeping still what a person
// is choosing or typing while the page renews itself around it.
"use strict";

let project = null;

document.addEventListener("htmx:before:swap", () => { project = by("project").dataset.chosen ?? null; });

document.addEventListener("htmx:after:swap", () => {
  const select = by("project");
  if (project !== null && [...select.options].some((option) => option.value === project)) {
    select.value = select.dataset.chosen = project;
  }
  document.title = by("status").dataset.title;
  tellTimes();
});

document.addEventListener("input", ({ target }) => {
  if (target.id === "project") target.dataset.chosen = target.value;
  if (target.closest("#trial")) target.setAttribute("hx-morph-skip", "");
});

// A project that was just made is chosen (`/?notebook=…`), until somebody chooses another.
if (new URLSearchParams(location.search).has("notebook")) by("project").dataset.chosen = by("project").value;

// A button that makes no sense now keeps its place and the focus, and does nothing.

document.addEventListener("click", (event) => {
  if (event.target.closest("[aria-disabled=true]")) event.preventDefault();
});

// "Test" beside an endpoint fills the form in.

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-path]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const [method, path, body] = [by("method"), by("path"), by("body")];
  method.value = link.dataset.method;
  path.value = link.dataset.path;
  // A body that somebody has written stays.
  if (["", "{}"].includes(body.value)) body.value = link.dataset.body;
  [method, path, body].forEach((field) => field.setAttribute("hx-morph-skip", ""));
  by("trial-heading").scrollIntoView({ block: "nearest" });
  const parameter = /(?<=\/):\w+/.exec(path.value);
  path.focus();
  if (parameter) path.setSelectionRange(parameter.index, parameter.index + parameter[0].length);
});

// The header for Hasura.

function basicHeader(user, password) {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return `Authorization: Basic ${btoa(String.fromCharCode(...bytes))}`;
}

by("basic").addEventListener("input", () => {
  const [user, password] = [by("basic-user").value, by("basic-password").value];
  by("basic-header").value = user.includes(":") ? "A user name has no colon in it."
    : password ? basicHeader(user, password) : "Authorization: Basic …";
});

// Times as this person's clock tells them.

function tellTimes() {
  for (const element of document.querySelectorAll("time:not([data-clock])")) {
    const then = new Date(element.dateTime);
    const minutes = Math.max(0, Math.floor((Date.now() - then) / 60000));
    const [count, unit] = minutes < 90 ? [minutes, "minute"]
      : minutes < 48 * 60 ? [Math.round(minutes / 60), "hour"] : [Math.round(minutes / 1440), "day"];
    const ago = count ? new Intl.RelativeTimeFormat("en").format(-count, unit) : "just now";
    const today = then.toDateString() === new Date().toDateString();
    const clock = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    element.textContent = `${today ? clock : `${then.toLocaleDateString()} ${clock}`}, ${ago}`;
  }
}

tellTimes();
setInterval(tellTimes, 30000);
