// Restores what a person has typed in this tab for the project that the page shows: the request of Test API whenever it is
// shown again, all but the password after a reload.
"use strict";

(() => {
  const ids = ["method", "path", "body", "log-filter"];
  const key = `draft ${shown}`;
  const initial = (field) => field.options
    ? [...field.options].find((option) => option.defaultSelected)?.value ?? field.value : field.defaultValue;

  addEventListener("pagehide", () => {
    const changed = ids.map(by).filter((field) => field.value !== initial(field)).map((field) => [field.id, field.value]);
    sessionStorage.setItem(key, JSON.stringify(changed));
  });

  if (new URLSearchParams(location.search).has("path")) return; // the address gives the request
  const isReload = performance.getEntriesByType("navigation")[0]?.type === "reload";
  for (const [id, value] of JSON.parse(sessionStorage.getItem(key) ?? "[]")) {
    if (!isReload && id === "log-filter") continue;
    by(id).value = value;
    by(id).dispatchEvent(new Event("input", { bubbles: true })); // so that updates keep it, and the log is filtered
  }
})();
