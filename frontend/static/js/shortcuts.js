/* The list of keys in a dialog: only those that work on this page. Without scripts it is a page. */
import { shown } from "./keys.js";

function label(element) {
  return element.dataset.keyLabel || element.getAttribute("aria-label")
    || element.textContent.trim().replace(/\s+/g, " ");
}

/** What the page's elements say of the keys that they declare: keys → words. */
function declared() {
  const found = new Map();
  for (const name of ["key", "keyWalk", "keyTurn"]) {
    const attribute = `data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    for (const element of shown(`[${attribute}]`, document)) {
      const keys = element.dataset[name];
      if (!found.has(keys)) found.set(keys, { words: label(element), own: element.dataset.keyLabel });
    }
  }
  return found;
}

function row(keys, words) {
  const line = document.createElement("div");
  const term = document.createElement("dt");
  for (const key of keys.split(" ")) {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    term.append(cap, " ");
  }
  const meaning = document.createElement("dd");
  meaning.textContent = words;
  line.append(term, meaning);
  return line;
}

/** Hides what this page does not have, and adds what only this page has. */
function fit(list) {
  const here = declared();
  for (const line of list.querySelectorAll("[data-needs]")) {
    line.hidden = !shown(line.dataset.needs, document).length;
    const own = here.get(line.dataset.declared);
    if (own && own.own) line.querySelector("dd").textContent = own.own;
    here.delete(line.dataset.declared);
  }
  const lists = list.querySelectorAll("dl");
  for (const [keys, { words }] of here) {
    if (!keys.startsWith("g ") && words) lists[lists.length - 2].append(row(keys, words));
  }
  for (const group of list.querySelectorAll("[data-shortcut-group]")) {
    group.hidden = ![...group.querySelectorAll("dl > div")].some((line) => !line.hidden);
  }
}

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-shortcuts]");
  const dialog = document.getElementById("shortcuts");
  if (!opener || !dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const body = dialog.querySelector("[data-shortcuts-list]");
  await window.htmx.ajax("GET", opener.href, { target: body, swap: "innerHTML", source: body });
  fit(body);
  if (!dialog.open) dialog.showModal();
});
