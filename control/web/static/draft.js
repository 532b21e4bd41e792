// Restores what a person has selected and typed, except for the password, when the page is reloaded in this tab.
"use strict";

(() => {
  const FIELDS = ["project", "method", "path", "body", "log-filter"].map((id) => document.getElementById(id));
  const initial = (field) => field.options
    ? [...field.options].find((option) => option.defaultSelected)?.value ?? field.value : field.defaultValue;

  addEventListener("pagehide", () => {
    const changed = FIELDS.filter((field) => field.value !== initial(field)).map((field) => [field.id, field.value]);
    sessionStorage.setItem("draft", JSON.stringify(changed));
  });

  if (performance.getEntriesByType("navigation")[0]?.type !== "reload") return;
  for (const [id, value] of JSON.parse(sessionStorage.getItem("draft") ?? "[]")) {
    const field = document.getElementById(id);
    if (field.options && ![...field.options].some((option) => option.value === value)) continue;
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true })); // so that updates keep it, and the log is filtered
  }
})();
