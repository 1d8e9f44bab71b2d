/* Rows that may be dragged to another place, beside their buttons.
 *
 *   data-sortable="form"   on a table: the id of the form that moves a row; its field ``move`` is
 *                          FROM:TO, positions from 0
 *   data-entry="3"         on a row: its position
 *   data-handle            inside: where one takes it
 *
 *   data-escape            a link or button that the Escape key presses, from its own row */
import { onContent } from "./base.js";

let dragged = null;

function rowOf(event) {
  const row = event.target.closest("[data-entry]");
  return row && dragged && row.closest("[data-sortable]") === dragged.closest("[data-sortable]") ? row : null;
}

/** Does the pointer stand in the lower half of a row? Then the dragged one goes below it. */
function isBelow(event, row) {
  const box = row.getBoundingClientRect();
  return event.clientY > box.top + box.height / 2;
}

function unmark() {
  for (const row of document.querySelectorAll(".drop-above, .drop-below")) {
    row.classList.remove("drop-above", "drop-below");
  }
}

document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest("[data-handle]");
  if (handle) handle.closest("[data-entry]").draggable = true;
});

document.addEventListener("pointerup", () => {
  for (const row of document.querySelectorAll("[data-entry][draggable=true]")) row.draggable = false;
});

document.addEventListener("dragstart", (event) => {
  const row = event.target.closest && event.target.closest("[data-entry][draggable=true]");
  if (!row) return;
  dragged = row;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", row.dataset.entry);
  row.classList.add("dragged");
});

document.addEventListener("dragover", (event) => {
  const row = rowOf(event);
  if (!row) return;
  event.preventDefault();
  unmark();
  if (row !== dragged) row.classList.add(isBelow(event, row) ? "drop-below" : "drop-above");
});

document.addEventListener("drop", (event) => {
  const row = rowOf(event);
  if (!row || row === dragged) return;
  event.preventDefault();
  const from = Number(dragged.dataset.entry);
  const gap = Number(row.dataset.entry) + (isBelow(event, row) ? 1 : 0);
  send(row.closest("[data-sortable]").dataset.sortable, from, gap > from ? gap - 1 : gap);
});

document.addEventListener("dragend", () => {
  unmark();
  if (dragged) {
    dragged.classList.remove("dragged");
    dragged.draggable = false;
  }
  dragged = null;
});

/** htmx reads the form's fields at once when it is submitted. */
function send(id, from, to) {
  if (from === to) return;
  const way = document.createElement("input");
  way.type = "hidden";
  way.name = "move";
  way.value = `${from}:${to}`;
  const form = document.getElementById(id);
  form.append(way);
  form.requestSubmit();
  way.remove();
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  const row = event.target.closest("tr, form");
  const way = row && row.querySelector("[data-escape]");
  if (!way) return;
  event.preventDefault();
  way.click();
});

onContent((root) => {
  for (const handle of root.querySelectorAll("[data-handle]")) handle.hidden = false;
});
