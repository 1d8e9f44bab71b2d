/* Fields that offer what the catalogue knows (ARIA combobox with a listbox).
 *
 *   data-options="/address/"   on a text field: where the options come from; it is asked with the
 *                              form's fields and ?what= the field's name (partials/options.html);
 *                              of the fields those that say which: driver, property, value, into
 *
 * Arrows move, Enter takes, Escape closes, Tab takes nothing. What is offered is only offered: one
 * may type something else. Without scripts the field is a text field. */
import { announce, onContent } from "./base.js";

const WAIT = 120;

let field = null; // whose list is open or asked for
let list = null;
let timer = 0;
let asked = 0;

function options() {
  return list ? [...list.children] : [];
}

function chosen() {
  return options().find((option) => option.getAttribute("aria-selected") === "true");
}

function choose(option) {
  for (const one of options()) one.setAttribute("aria-selected", String(one === option));
  if (option) {
    option.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", option.id);
  } else if (field) {
    field.removeAttribute("aria-activedescendant");
  }
}

function close() {
  clearTimeout(timer);
  asked += 1;
  if (list) list.remove();
  if (field) {
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-controls");
    field.removeAttribute("aria-activedescendant");
  }
  list = null;
}

/** Below the field, over the page: a table that scrolls must not cut it off. */
function place() {
  if (!list || !field) return;
  const box = field.getBoundingClientRect();
  const below = innerHeight - box.bottom - 8;
  const above = box.top - 8;
  const height = Math.min(288, Math.max(below, above));
  list.style.setProperty("max-height", `${height}px`);
  list.style.setProperty("left", `${Math.max(8, Math.min(box.left, innerWidth - 8 - list.offsetWidth))}px`);
  list.style.setProperty("min-width", `${box.width}px`);
  const top = below >= Math.min(height, list.offsetHeight) || below >= above
    ? box.bottom + 2 : box.top - 2 - Math.min(height, list.offsetHeight);
  list.style.setProperty("top", `${top}px`);
}

function show(html) {
  if (list) list.remove();
  list = document.createElement("ul");
  list.className = "options";
  list.id = `${field.id}-options`;
  list.setAttribute("role", "listbox");
  const label = field.labels && field.labels[0] ? field.labels[0].textContent : field.getAttribute("aria-label");
  list.setAttribute("aria-label", (label || "").trim());
  list.innerHTML = html;
  const some = list.children.length > 0;
  field.setAttribute("aria-expanded", String(some));
  if (!some) {
    list = null;
    return;
  }
  document.body.append(list);
  field.setAttribute("aria-controls", list.id);
  place();
  announce(`${list.children.length}: ${list.firstElementChild.dataset.value}…`);
}

async function ask() {
  const from = field;
  const ticket = (asked += 1);
  const values = new URLSearchParams();
  for (const name of ["driver", "property", "value", "into"]) {
    const other = from.form.elements.namedItem(name);
    if (other && other.value) values.set(name, other.value);
  }
  values.set("what", from.name);
  const url = from.dataset.options;
  try {
    const answer = await fetch(`${url}${url.includes("?") ? "&" : "?"}${values}`, { headers: { "HX-Request": "true" } });
    const html = answer.ok ? await answer.text() : "";
    if (ticket === asked && document.activeElement === from) show(html);
  } catch {
    // Without an answer one types on: the server checks what is sent.
  }
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT);
}

function take(option) {
  const into = field;
  into.value = option.dataset.value;
  close();
  into.dispatchEvent(new Event("change", { bubbles: true }));
}

function move(by) {
  const all = options();
  const at = all.indexOf(chosen());
  choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]);
}

const KEYS = {
  ArrowDown: () => (list ? move(1) : ask()),
  ArrowUp: () => (list ? move(-1) : ask()),
  Enter: () => take(chosen()),
  Escape: () => close(),
};

function answers(key) {
  if (key === "Enter") return Boolean(list && chosen());
  if (key === "Escape") return Boolean(list);
  return Object.hasOwn(KEYS, key);
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.altKey || !event.target.matches("[data-options]")) return;
  field = event.target;
  if (!answers(event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-options]")) return;
  field = event.target;
  later();
});

document.addEventListener("focusin", (event) => {
  if (field && event.target !== field) close();
  if (!event.target.matches("[data-options]")) return;
  field = event.target;
  if (field.hasAttribute("data-select")) field.select();
});

// A press on an option must not take the focus away before it becomes a click.
document.addEventListener("mousedown", (event) => {
  const option = event.target.closest(".options [role=option]");
  if (option) event.preventDefault();
  else if (list && event.target !== field) close();
});

document.addEventListener("click", (event) => {
  const option = event.target.closest(".options [role=option]");
  if (option) take(option);
  else if (event.target.matches("[data-options]") && !list) {
    field = event.target;
    later();
  }
});

addEventListener("scroll", place, { capture: true, passive: true });
addEventListener("resize", place);
document.addEventListener("htmx:beforeSwap", (event) => {
  if (field && event.detail.target.contains(field)) close();
});

onContent((root) => {
  for (const one of root.querySelectorAll("[data-options]")) {
    one.setAttribute("role", "combobox");
    one.setAttribute("aria-autocomplete", "list");
    one.setAttribute("aria-expanded", "false");
    one.autocomplete = "off";
  }
});
