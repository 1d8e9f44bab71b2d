/* What the other scripts share: work on new content, words, and what a screen reader is told. */

const enhancers = [];

/** Calls ``work(root)`` for the page, and for each part of it that htmx swaps in. */
export function onContent(work) {
  enhancers.push(work);
  work(document);
}

export function enhance(root) {
  for (const work of enhancers) work(root);
}

/** The elements in ``root`` that ``selector`` finds, ``root`` itself among them. */
export function within(root, selector) {
  const own = root instanceof Element && root.matches(selector) ? [root] : [];
  return [...own, ...root.querySelectorAll(selector)];
}

/** A text of partials/words.html, with ``{name}`` replaced by ``values.name``. */
export function word(name, values = {}) {
  const words = document.getElementById("words");
  const found = words && words.content.querySelector(`[data-word="${CSS.escape(name)}"]`);
  const text = found ? found.textContent : name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** How long what was said last is left alone, in milliseconds. */
const PAUSE = 1500;
let spoken = -Infinity;
let waiting = 0;

/** Has a screen reader say ``text``. Of several at once only the last is said. */
export function announce(text) {
  if (!text) return;
  clearTimeout(waiting);
  // A change after a pause is read even where the same words stood before.
  const rest = Math.max(60, spoken + PAUSE - performance.now());
  waiting = setTimeout(() => say(text), rest);
}

function say(text) {
  const region = document.getElementById("announce");
  if (!region) return;
  spoken = performance.now();
  region.textContent = "";
  setTimeout(() => { region.textContent = text; }, 30);
}

/** The box that says what went wrong: symbol and words, and perhaps a link that leads on. */
export function notice(level, text, link) {
  const box = document.createElement("div");
  box.className = `notice ${level}`;
  const symbol = document.createElement("span");
  symbol.className = "symbol";
  symbol.setAttribute("aria-hidden", "true");
  symbol.textContent = level === "error" ? "✕" : "i";
  const words = document.createElement("div");
  words.textContent = text;
  if (link) words.append(" ", link);
  box.append(symbol, words);
  return box;
}
