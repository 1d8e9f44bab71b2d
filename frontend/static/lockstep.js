/* What plain forms and htmx do not do: theme, keyboard, announcements, errors where one looks.
 * Every page works without this file. */
"use strict";

// --- Theme -------------------------------------------------------------------------------------

function currentTheme() {
  const chosen = document.documentElement.dataset.bsTheme;
  if (chosen) return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function showTheme() {
  const next = currentTheme() === "dark" ? "light" : "dark";
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.hidden = false;
    button.setAttribute("aria-label", `Switch to the ${next} theme`);
    button.title = button.getAttribute("aria-label");
    button.textContent = next === "dark" ? "☾" : "☀";
  }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const next = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.bsTheme = next;
  try {
    localStorage.setItem("lockstep-theme", next);
  } catch {
    // The choice then lasts for this page only.
  }
  showTheme();
});

// --- Announcements for screen readers ----------------------------------------------------------

function announce(text) {
  const region = document.getElementById("announce");
  if (!region || !text) return;
  region.textContent = "";
  // A change after a pause is read even where the same words stood before.
  setTimeout(() => { region.textContent = text; }, 60);
}

// --- htmx: pending, announcements, errors ------------------------------------------------------

let pending = 0;
function countPending(step) {
  pending = Math.max(0, pending + step);
  document.documentElement.classList.toggle("pending", pending > 0);
}
document.addEventListener("htmx:beforeRequest", () => countPending(1));
document.addEventListener("htmx:afterRequest", () => countPending(-1));

function removeError(target) {
  const shown = target.previousElementSibling;
  if (shown && shown.classList.contains("swap-error")) shown.remove();
}

function showError(event, text) {
  const target = event.detail.target || event.target;
  removeError(target);
  const box = document.createElement("div");
  box.className = "notice error swap-error";
  box.setAttribute("role", "alert");
  box.tabIndex = -1;
  const symbol = document.createElement("span");
  symbol.className = "symbol";
  symbol.setAttribute("aria-hidden", "true");
  symbol.textContent = "✕";
  const words = document.createElement("span");
  words.textContent = text;
  box.append(symbol, words);
  target.before(box);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target) removeError(event.detail.target);
});
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  const texts = {
    403: "You may not do this.",
    404: "This is no longer there. Reload the page.",
    413: "That is too large.",
    429: "Too many requests. Wait a moment and try again.",
  };
  showError(event, texts[status] || `The server could not do this (error ${status}). Nothing was changed.`);
});
document.addEventListener("htmx:sendError", (event) => {
  showError(event, "The server cannot be reached. Nothing was changed; try again.");
});
document.addEventListener("htmx:timeout", (event) => {
  showError(event, "The server takes too long. Reload the page to see whether it was done.");
});

function swapped(event) {
  // A target that was swapped as a whole is gone; the event is sent from what took its place.
  const target = event.detail.target;
  if (target && target.isConnected) return target;
  // A page restored from the history has no target of its own.
  return event.target instanceof Element ? event.target : document.body;
}

document.addEventListener("htmx:afterSwap", (event) => {
  const spoken = swapped(event).querySelector("[data-announce]");
  if (spoken) announce(spoken.dataset.announce);
});
document.addEventListener("htmx:afterSettle", (event) => {
  const target = swapped(event);
  enhance(target);
  // What was swapped in along with the target belongs to it.
  const parts = [target, ...document.querySelectorAll(`[data-follows="${target.id}"]`)];
  const find = (selector) => parts.map((part) => part.querySelector(selector)).find(Boolean);
  const wanted = find("[aria-invalid='true'], [data-focus]");
  const lost = !document.activeElement || document.activeElement === document.body;
  const next = wanted || (lost && find("[data-refocus]"));
  if (next) next.focus({ preventScroll: !wanted });
});
document.addEventListener("htmx:historyRestore", () => {
  showTheme();
  enhance(document);
});

// An empty field is no filter: it does not belong into the address.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") return;
  const sent = event.detail.formData;
  for (const [name, value] of [...sent.entries()]) if (value === "") sent.delete(name);
});

// --- Grids: one stop for the Tab key, arrows move inside ----------------------------------------

function gridCells(grid) {
  return [...grid.querySelectorAll("[data-row]")]
    .map((row) => [...row.querySelectorAll("[data-cell]")])
    .filter((row) => row.length);
}

function enhanceGrid(grid) {
  const cells = gridCells(grid).flat();
  const entry = cells.find((cell) => cell.getAttribute("aria-current") === "true") || cells[0];
  for (const cell of cells) cell.tabIndex = cell === entry ? 0 : -1;
}

function moveInGrid(grid, from, key, wholeGrid) {
  const rows = gridCells(grid);
  const y = rows.findIndex((row) => row.includes(from));
  const column = from.dataset.column;
  const x = rows[y].indexOf(from);
  const beside = (row) => row.find((cell) => cell.dataset.column === column)
    || row[Math.min(x, row.length - 1)];
  const targets = {
    ArrowLeft: () => rows[y][x - 1],
    ArrowRight: () => rows[y][x + 1],
    ArrowUp: () => rows[y - 1] && beside(rows[y - 1]),
    ArrowDown: () => rows[y + 1] && beside(rows[y + 1]),
    Home: () => (wholeGrid ? rows[0][0] : rows[y][0]),
    End: () => (wholeGrid ? rows.at(-1).at(-1) : rows[y].at(-1)),
  };
  return targets[key] ? targets[key]() : null;
}

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest("[data-cell]");
  const grid = cell && cell.closest("[data-grid]");
  if (!grid || event.altKey || event.metaKey) return;
  if (event.key === " ") {
    event.preventDefault();
    cell.click();
    return;
  }
  const next = moveInGrid(grid, cell, event.key, event.ctrlKey);
  if (!next) return;
  event.preventDefault();
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dismiss]");
  if (button) button.parentElement.remove();
});

// --- Search, rows, forms -------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    const everything = document.querySelector("[data-global-search]");
    if (everything) {
      event.preventDefault();
      everything.focus();
    }
    return;
  }
  if (event.key === "Escape" && typing && typing.type === "search") typing.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    const search = document.querySelector("[data-global-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
  if (event.key === "j" || event.key === "k") moveRow(event.key === "j" ? 1 : -1);
});

function moveRow(step) {
  const links = [...document.querySelectorAll("[data-rows] [data-row-link]")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = links[Math.min(links.length - 1, Math.max(0, at + step))];
  next.focus();
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

function enhance(root) {
  for (const grid of root.querySelectorAll("[data-grid]")) enhanceGrid(grid);
  for (const button of root.querySelectorAll("[data-js-hidden]")) button.hidden = true;
  for (const button of document.querySelectorAll("[data-dismiss]")) button.hidden = false;
}

document.addEventListener("DOMContentLoaded", () => {
  showTheme();
  enhance(document);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
