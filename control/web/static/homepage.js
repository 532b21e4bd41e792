// What the homepage's forms cannot do: the header for Hasura, relative times, and keeping what a person selects or types
// while the page updates itself.
"use strict";

document.addEventListener("htmx:after:swap", () => {
  document.title = by("status").dataset.title;
  showTimes();
});

document.addEventListener("input", ({ target }) => {
  if (target.closest("#test")) target.setAttribute("hx-morph-skip", "");
});

// Another project has a page of its own, on which the selection keeps the focus.

const shown = by("shown").elements.notebook.value;

function showSelected() {
  const { value } = by("project");
  if (value === shown) return;
  sessionStorage.setItem("focus", "project");
  by("status").inert = true; // a button that is pressed now might be lost with this page
  location.assign(`/?${new URLSearchParams({ notebook: value })}`);
}

if (sessionStorage.getItem("focus")) by("project").focus({ preventScroll: true });
sessionStorage.removeItem("focus");
document.addEventListener("change", ({ target }) => { if (target.id === "project") showSelected(); });
showSelected(); // it may have been selected before this script ran

// The browser may show this very page again on the way back.
addEventListener("pagehide", () => {
  by("project").value = shown;
  by("status").inert = false;
});

// A disabled button keeps its place and the focus.

document.addEventListener("click", (event) => {
  if (event.target.closest("[aria-disabled=true]")) event.preventDefault();
});

// "Test" beside an endpoint fills in the form.

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-path]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const [method, path, body] = [by("method"), by("path"), by("body")];
  method.value = link.dataset.method;
  path.value = link.dataset.path;
  // Keep a body that the person has typed.
  const suggestions = [...document.querySelectorAll("a[data-body]")].map((other) => other.dataset.body);
  if (["", "{}", ...suggestions].includes(body.value)) body.value = link.dataset.body;
  [method, path, body].forEach((field) => field.setAttribute("hx-morph-skip", ""));
  by("test-heading").scrollIntoView({ block: "nearest" });
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
  by("basic-header").value = user.includes(":") ? "A user name cannot contain a colon."
    : password ? basicHeader(user, password) : "Authorization: Basic …";
});

// Times relative and in the browser's time zone.

function showTimes() {
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

showTimes();
setInterval(showTimes, 30000);
