/* Grids: one stop for the Tab key, arrows move inside, space presses.
 *
 *   data-grid, data-row, data-cell    the grid and its parts; data-column: cells above each other
 *   data-explains="id"                on a grid: that element says what the cell under the focus, or
 *                                     under the pointer, is described by (its aria-describedby) */
import { onContent } from "./base.js";

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

// --- What a cell is described by --------------------------------------------------------------

function cellUnder(event) {
  return event.target.closest("[data-explains] [data-cell]");
}

function explain(grid, cell) {
  const place = document.getElementById(grid.dataset.explains);
  if (!place) return;
  if (!("rest" in place.dataset)) place.dataset.rest = place.textContent;
  const words = cell && document.getElementById(cell.getAttribute("aria-describedby"));
  place.textContent = words ? words.textContent.trim() : place.dataset.rest;
}

/** The cell to explain when the pointer is on none: that of the focus, else the chosen one. */
function usual(grid) {
  const focus = document.activeElement;
  if (focus && focus.matches("[data-cell]") && grid.contains(focus)) return focus;
  return grid.querySelector("[data-cell][aria-current='true']");
}

for (const type of ["focusin", "mouseover"]) {
  document.addEventListener(type, (event) => {
    const cell = cellUnder(event);
    if (cell) explain(cell.closest("[data-explains]"), cell);
  });
}

for (const type of ["focusout", "mouseout"]) {
  document.addEventListener(type, (event) => {
    const cell = cellUnder(event);
    const grid = cell && cell.closest("[data-explains]");
    if (grid && !grid.contains(event.relatedTarget)) explain(grid, usual(grid));
  });
}

onContent((root) => {
  for (const grid of root.querySelectorAll("[data-grid]")) enhanceGrid(grid);
});
