/* Lists: choosing rows, and panels that stay as they were. Everything else of a list is htmx.
 *
 * Rows are boxes of the form #bulk. Shift and a click choose all rows between; what is chosen stays
 * chosen on other pages of the same filter, and is sent from there as hidden fields; the box "all"
 * sends the filter instead. Buttons of the form work with something chosen only. */
import { announce, onContent } from "./base.js";

/** What is chosen, and the filter it was chosen in: under another one it means other rows. */
let chosen = new Set();
let chosenIn = null;
let lastPicked = null;

const bulkForm = () => document.getElementById("bulk");
const boxes = () => [...document.querySelectorAll("[data-pick]")];

function whatIsFiltered(form) {
  return `${location.pathname}?${form.elements.filter.value}`;
}

function take(box, isChosen) {
  box.checked = isChosen;
  if (isChosen) chosen.add(box.value);
  else chosen.delete(box.value);
}

function everything(form) {
  return form.querySelector("[data-pick-all]");
}

function words(form, number, elsewhere) {
  const { none, some, elsewhere: away } = form.querySelector("[data-bulk-count]").dataset;
  if (!number) return none;
  return (elsewhere ? away : some).replace("{n}", number).replace("{m}", elsewhere);
}

/** Makes the bar tell what is chosen. */
function show(form) {
  const here = boxes();
  const all = everything(form);
  const onPage = here.filter((box) => box.checked).length;
  const number = all.checked ? Number(form.dataset.total) : chosen.size;
  const elsewhere = all.checked ? 0 : chosen.size - onPage;
  form.querySelector("[data-bulk-count]").textContent = words(form, number, elsewhere);
  form.classList.toggle("some", number > 0);
  for (const button of form.querySelectorAll("[data-bulk-action]")) button.disabled = number === 0;
  form.querySelector("[data-pick-none]").hidden = number === 0;
  const page = document.querySelector("[data-pick-page]");
  page.checked = onPage > 0 && onPage === here.length;
  page.indeterminate = onPage > 0 && onPage < here.length;
}

/** What is chosen on other pages goes along as hidden fields. */
function carry(form) {
  for (const field of form.querySelectorAll("[data-carried]")) field.remove();
  if (everything(form).checked) return;
  const here = new Set(boxes().map((box) => box.value));
  for (const value of chosen) {
    if (here.has(value)) continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "row", value });
    field.dataset.carried = "";
    form.append(field);
  }
}

function chooseAll(form, isChosen) {
  everything(form).checked = isChosen;
  if (!isChosen) chosen.clear();
  for (const box of boxes()) box.checked = isChosen;
  show(form);
}

document.addEventListener("click", (event) => {
  const form = bulkForm();
  const box = event.target.closest("[data-pick]");
  if (form && event.target.closest("[data-pick-none]")) {
    chooseAll(form, false);
    everything(form).focus();
  }
  if (!form || !box) return;
  // To take one row out of all of them is to choose the others of this page.
  if (everything(form).checked) {
    everything(form).checked = false;
    for (const other of boxes()) take(other, other !== box);
  }
  const all = boxes();
  const from = all.indexOf(lastPicked);
  const to = all.indexOf(box);
  if (event.shiftKey && from >= 0) {
    const between = all.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const other of between) take(other, box.checked);
    announce(words(form, chosen.size, 0));
  } else {
    take(box, box.checked);
  }
  lastPicked = box;
  show(form);
});

document.addEventListener("change", (event) => {
  const form = bulkForm();
  if (!form) return;
  if (event.target.matches("[data-pick-page]")) {
    everything(form).checked = false;
    for (const box of boxes()) take(box, event.target.checked);
    show(form);
  }
  if (event.target.matches("[data-pick-all]")) chooseAll(form, event.target.checked);
});

document.addEventListener("submit", (event) => {
  if (event.target.id === "bulk") carry(event.target);
});

onContent(() => {
  const form = bulkForm();
  if (!form) return;
  const filtered = whatIsFiltered(form);
  if (chosenIn !== filtered) chosen = new Set();
  chosenIn = filtered;
  lastPicked = null;
  for (const box of boxes()) {
    // A page that the browser kept comes back with its boxes as they were.
    if (box.checked) chosen.add(box.value);
    box.checked = chosen.has(box.value);
  }
  document.querySelector("[data-pick-page]").hidden = false;
  form.dataset.ready = "";
  show(form);
});

/* A panel that was open stays open when what holds it is swapped. */
const opened = new Set();
document.addEventListener("htmx:beforeSwap", () => {
  opened.clear();
  for (const panel of document.querySelectorAll("#list .filter-panel[open]")) opened.add(panel.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
});

/* Menus close on Escape and on a click beside them. */
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".list-tools .menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = event.target.closest(".list-tools .menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
