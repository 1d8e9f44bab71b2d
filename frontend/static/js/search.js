/* The search over everything as a combobox: hits as one types, arrows, Enter, Escape.
 *
 * htmx asks for the hits (partials/search_hits.html). Without scripts the form leads to their page.
 */

const box = document.querySelector("[data-global-search]");
const hits = document.getElementById("search-hits");

function options() {
  return [...hits.querySelectorAll("[role=option]")];
}

function chosen() {
  return hits.querySelector("[aria-selected=true]");
}

function choose(option) {
  const last = chosen();
  if (last) last.setAttribute("aria-selected", "false");
  if (!option) {
    box.removeAttribute("aria-activedescendant");
    return;
  }
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", option.id);
}

function show() {
  const some = box.value.trim() !== "" && hits.childElementCount > 0;
  hits.hidden = !some;
  box.setAttribute("aria-expanded", String(some));
  choose(null);
}

function close() {
  hits.hidden = true;
  box.setAttribute("aria-expanded", "false");
  choose(null);
}

function move(by) {
  const all = options();
  const at = all.indexOf(chosen());
  choose(all[at < 0 && by < 0 ? all.length - 1 : (at + by + all.length) % all.length]);
}

const KEYS = {
  ArrowDown: () => (hits.hidden ? show() : move(1)),
  ArrowUp: () => move(-1),
  Enter: () => (chosen() ? chosen().click() : null),
  Escape: () => (hits.hidden ? box.blur() : close()),
};

function answers(key) {
  if (key === "Enter") return Boolean(chosen());
  return key === "Escape" || (key === "ArrowDown" && hits.childElementCount) || !hits.hidden;
}

if (box && hits) {
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", hits.id);
  box.setAttribute("aria-expanded", "false");
  hits.setAttribute("role", "listbox");
  hits.setAttribute("aria-label", box.getAttribute("aria-label"));

  box.addEventListener("keydown", (event) => {
    if (event.isComposing || !Object.hasOwn(KEYS, event.key) || !answers(event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  box.addEventListener("focus", show);
  box.addEventListener("input", () => { if (!box.value.trim()) close(); });
  box.form.addEventListener("focusout", (event) => {
    if (!box.form.contains(event.relatedTarget)) close();
  });
  // A press on a hit must not take the focus away before it becomes a click.
  hits.addEventListener("mousedown", (event) => event.preventDefault());
  hits.addEventListener("htmx:afterSwap", () => { if (document.activeElement === box) show(); });
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
  if (!box) return;
  event.preventDefault();
  box.focus();
  box.select();
});
