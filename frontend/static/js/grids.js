/* Grids: one stop for the Tab key, arrows move inside, space presses. */
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

onContent((root) => {
  for (const grid of root.querySelectorAll("[data-grid]")) enhanceGrid(grid);
});
