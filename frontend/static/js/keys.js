/* Keys that work on every page, and those that a page's own elements declare:
 *
 *   data-key="r"          pressed (button, link, summary, checkbox) or focused (field, anything else)
 *   data-key="g c"        two keys, one after the other
 *   data-key-label="…"    what ? says of it; else its aria-label, else its text
 *   data-key-walk="n p"   on a container: to the next and the previous data-key-stop inside it
 *   data-key-turn="] ["   on a nav: follows the link after and before the one with aria-current
 *   data-row-link         inside data-rows: j and k move over them, o opens
 *
 *   data-key-hidden       on a container: its keys work while it is not shown (the narrow page's menu)
 *
 * Of several elements with the same key the one nearest to the focus is meant. Single keys do
 * nothing while one types, and nothing at all for a person who switched them off.
 */

const FIELDS = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable], [role=listbox]";
const PRESSED = "a[href], button, summary, input[type=checkbox], input[type=radio]";
const FOCUSABLE = `${PRESSED}, ${FIELDS}, [tabindex]`;
const ROWS = "[data-rows] [data-row-link]";
/** How long the second key of a pair may take. */
const PATIENCE = 1500;

let begun = "";
let forget = 0;

function isOff() {
  return document.documentElement.dataset.keys === "off";
}

/** Where keys work: the open dialog, else the page. */
function place() {
  return document.querySelector("dialog[open]") || document;
}

function isShown(element) {
  return element.checkVisibility({ visibilityProperty: true });
}

export function shown(selector, root = place()) {
  return [...root.querySelectorAll(selector)].filter(isShown);
}

function usable(selector) {
  return [...place().querySelectorAll(selector)]
    .filter((element) => isShown(element) || element.closest("[data-key-hidden]"));
}

/** Of the elements that ``selector`` finds, the one nearest to the focus, else the first. */
function nearest(selector) {
  const found = usable(selector);
  for (let around = document.activeElement; around; around = around.parentElement) {
    const within = found.find((element) => around.contains(element));
    if (within) return within;
  }
  return found[0];
}

function focusOn(element) {
  if (!element.matches(FOCUSABLE)) element.tabIndex = -1;
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}

function use(element) {
  if (element.matches(PRESSED)) {
    if (element.matches("summary")) element.focus();
    element.click();
    return;
  }
  focusOn(element);
  if (element.select) element.select();
}

/** The stop before or after the focus, in the order of the page. */
function step(stops, by) {
  const from = document.activeElement;
  const at = stops.findLastIndex((stop) => stop.contains(from)
    || stop.compareDocumentPosition(from) & Node.DOCUMENT_POSITION_FOLLOWING);
  const inside = at >= 0 && stops[at].contains(from);
  const next = by > 0 || inside ? at + by : at;
  return stops[Math.min(stops.length - 1, Math.max(0, next))];
}

function walk(selector, by) {
  const stops = shown(selector);
  if (!stops.length) return false;
  focusOn(step(stops, by));
  return true;
}

function turn(nav, by) {
  const links = shown("a[href]", nav);
  const at = links.findIndex((link) => link.hasAttribute("aria-current"));
  const link = links[at + by];
  if (at >= 0 && link) link.click();
  return Boolean(link);
}

/** What an element that declares a pair of keys does with one of them: +1, -1, or nothing. */
function direction(pair, key) {
  return { 0: 1, 1: -1 }[pair.split(" ").indexOf(key)];
}

function pairs(attribute, key, move) {
  const holders = shown(`[${attribute}]`);
  const meant = holders.filter((holder) => direction(holder.getAttribute(attribute), key));
  const holder = meant.find((one) => one.contains(document.activeElement)) || meant[0];
  return Boolean(holder) && move(holder, direction(holder.getAttribute(attribute), key));
}

const EVERYWHERE = {
  j: () => walk(ROWS, 1),
  k: () => walk(ROWS, -1),
  o: () => {
    const row = document.activeElement.closest("[data-rows] > *, [data-row-link]");
    const link = row && (row.matches("[data-row-link]") ? row : row.querySelector("[data-row-link]"));
    if (link) link.click();
    return Boolean(link);
  },
  u: () => {
    const link = shown("[data-breadcrumb] a").at(-1);
    if (link) link.click();
    return Boolean(link);
  },
};

function does(keys) {
  const own = nearest(`[data-key="${CSS.escape(keys)}"]`);
  if (own) {
    use(own);
    return true;
  }
  if (keys.includes(" ")) return false;
  return pairs("data-key-walk", keys, (holder, by) => {
    const stops = shown("[data-key-stop]", holder);
    if (stops.length) focusOn(step(stops, by));
    return stops.length > 0;
  }) || pairs("data-key-turn", keys, turn)
    || (Object.hasOwn(EVERYWHERE, keys) && EVERYWHERE[keys]());
}

function begins(key) {
  return usable(`[data-key^="${CSS.escape(key)} "]`).length > 0;
}

function modified(event) {
  // AltGr makes the brackets on many keyboards.
  if (event.getModifierState("AltGraph")) return false;
  return event.ctrlKey || event.metaKey || event.altKey;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || isOff() || modified(event)) return;
  if (event.key.length !== 1 || event.key === " " || event.target.closest(FIELDS)) return;
  const keys = begun ? `${begun} ${event.key}` : event.key;
  begun = "";
  clearTimeout(forget);
  if (does(keys)) {
    event.preventDefault();
  } else if (!keys.includes(" ") && begins(keys)) {
    event.preventDefault();
    begun = keys;
    forget = setTimeout(() => { begun = ""; }, PATIENCE);
  }
});
