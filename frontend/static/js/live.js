/* Parts of a page that come again by themselves when there is something newer: the only mechanism.
 *
 *   data-live="/jobs/7/"     where the part comes from; empty: the page's own address. On an element
 *                            with an id, so that focus, open details and scrolling are kept
 *   data-live-every="2"      after how many seconds it is asked for again (20)
 *   data-live-ask            a list: rows that come, go or move wait until one asks to see them
 *   data-live-part           on an element with an id within such a part: what is put in its place
 *                            at once even where the rest waits, as counts and progress are
 *
 * The answer is the part as htmx would get it: with the same root element (without data-live on it
 * the asking ends), or what stands in that. The server answers 304 where nothing is newer
 * (frontend/live.py). While nobody does anything it is asked for more rarely, while the page is
 * hidden not at all.
 *
 * Nothing moves under the mouse: cells change in place, but where rows would come, go or move in a
 * list, or where one points at them or types, the page says how many are newer and waits.
 */
import { announce, notice, onContent, within, word } from "./base.js";
import { signIn } from "./swaps.js";

const USUAL = 20;
/** Without a sign of life for so long a person is idle, in milliseconds. */
const IDLE = 120_000;
const IDLE_FACTOR = 4;
const LONGEST = 120;

const states = new WeakMap();
const tags = new Map();
let lastSign = performance.now();
let said = "";

function every(element) {
  return Number(element.dataset.liveEvery) || USUAL;
}

function stateOf(element) {
  if (!states.has(element)) {
    states.set(element, { due: performance.now() + every(element) * 1000, failures: 0, busy: false });
  }
  return states.get(element);
}

function address(element) {
  return element.dataset.live || location.pathname + location.search;
}

// --- Asking -----------------------------------------------------------------------------------

function postpone(element, state) {
  const idle = performance.now() - lastSign > IDLE ? IDLE_FACTOR : 1;
  const seconds = Math.min(LONGEST, every(element) * idle * 2 ** state.failures);
  state.due = performance.now() + seconds * 1000;
}

async function ask(element, state) {
  const url = address(element);
  const headers = { "HX-Request": "true", "HX-Current-URL": location.href, "Lockstep-Live": "1" };
  if (tags.has(url)) headers["If-None-Match"] = tags.get(url);
  const answer = await fetch(url, { headers, cache: "no-store" });
  if (answer.status === 401) {
    endOfSession();
    return;
  }
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const text = await answer.text();
  if (address(element) !== url || !element.isConnected) return;
  tags.set(url, answer.headers.get("ETag"));
  arrive(element, text);
}

async function poll(element) {
  const state = stateOf(element);
  state.busy = true;
  try {
    await ask(element, state);
    state.failures = 0;
  } catch {
    // The page stays as it is; it is asked again, after longer and longer pauses.
    state.failures = Math.min(state.failures + 1, 5);
  }
  state.busy = false;
  postpone(element, state);
}

function endOfSession() {
  const messages = document.getElementById("messages");
  const live = document.querySelectorAll("[data-live]");
  // Several parts may have asked at the same time: it is said once.
  if (!messages || !live.length) return;
  for (const element of live) element.removeAttribute("data-live");
  const box = notice("warning", word("session-ended"), signIn());
  box.setAttribute("role", "status");
  messages.append(box);
}

function tick() {
  if (document.hidden || !navigator.onLine) return;
  for (const element of document.querySelectorAll("[data-live]")) {
    const state = stateOf(element);
    if (!state.busy && state.due <= performance.now()) poll(element);
  }
}

// --- What came --------------------------------------------------------------------------------

function rowName(link) {
  return link.dataset.row || link.getAttribute("href");
}

function rowsOf(root) {
  return [...root.querySelectorAll("[data-rows] [data-row-link]")].map(rowName);
}

function isTyping(element) {
  const at = document.activeElement;
  if (at && element.contains(at) && at.matches("input, textarea, select")) return true;
  return [...element.querySelectorAll("input, textarea")].some((field) => (
    field.type === "checkbox" || field.type === "radio"
      ? field.checked !== field.defaultChecked : field.value !== field.defaultValue));
}

function isPointedAt(element) {
  const rows = element.querySelector("[data-rows]");
  return rows && (rows.matches(":hover") || rows.contains(document.activeElement));
}

function arrive(element, text) {
  const came = document.createRange().createContextualFragment(text);
  const before = rowsOf(element);
  const after = rowsOf(came);
  const same = before.join("\n") === after.join("\n");
  const asksFirst = element.hasAttribute("data-live-ask") && !same;
  if (asksFirst || isTyping(element) || (!same && isPointedAt(element))) {
    putParts(element, came);
    offer(element, text, after.filter((row) => !before.includes(row)).length);
  } else {
    put(element, text);
  }
}

/** Puts the newer part into the place of ``element``, with what was open and where one was. */
function put(element, text) {
  const kept = keep(element);
  const id = element.id;
  const root = document.createRange().createContextualFragment(text).firstElementChild;
  const swapStyle = root && root.id === id ? "outerHTML" : "innerHTML";
  window.htmx.swap(element, text, { swapStyle, swapDelay: 0, settleDelay: 0 }, {
    eventInfo: { live: true },
  });
  const now = id ? document.getElementById(id) : null;
  if (!now) return;
  restore(now, kept);
  tell(now);
}

/** Has what came say what it has to say, once. */
function tell(root) {
  const [spoken] = within(root, "[data-announce]");
  if (spoken && spoken.dataset.announce !== said) announce(spoken.dataset.announce);
  said = spoken ? spoken.dataset.announce : "";
}

/** The same control, whatever number its words tell by now. */
function alike(one, other) {
  return ["id", "href", "name", "value"].every((key) => one.getAttribute(key) === other.getAttribute(key))
    && (one.id || one.hasAttribute("href") || one.textContent === other.textContent);
}

function keep(element) {
  const at = document.activeElement;
  return {
    focus: at && element.contains(at) ? at : null,
    open: [...element.querySelectorAll("details")].map((one) => one.open),
    scrolls: [...element.querySelectorAll(".table-box")].map((one) => [one.scrollLeft, one.scrollTop]),
  };
}

function restore(element, kept) {
  element.querySelectorAll("details").forEach((one, index) => {
    if (kept.open[index]) one.open = true;
  });
  element.querySelectorAll(".table-box").forEach((one, index) => {
    if (kept.scrolls[index]) one.scrollTo(...kept.scrolls[index]);
  });
  if (!kept.focus || kept.focus.isConnected) return;
  const again = [...element.querySelectorAll(kept.focus.tagName)].find((one) => alike(one, kept.focus));
  if (again) again.focus({ preventScroll: true });
}

/** Puts what never waits, as counts and progress, into its place; ends the asking where it is over. */
function putParts(element, came) {
  for (const part of element.querySelectorAll("[data-live-part]")) {
    const newer = came.getElementById(part.id);
    if (!newer || newer.outerHTML === part.outerHTML) continue;
    const kept = keep(part);
    window.htmx.swap(part, newer.outerHTML, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 }, {
      eventInfo: { live: true },
    });
    restore(document.getElementById(part.id), kept);
  }
  const root = came.getElementById(element.id);
  if (!root || root.hasAttribute("data-live")) return;
  element.removeAttribute("data-live");
  tell(element);
}

/** Puts what waited into its place; whoever asked for it goes on at the first row that is new. */
function show(element, text) {
  const before = rowsOf(element);
  const id = element.id;
  put(element, text);
  const now = document.getElementById(id);
  const lost = !document.activeElement || document.activeElement === document.body;
  if (!now || !lost) return;
  const rows = [...now.querySelectorAll("[data-rows] [data-row-link]")];
  const next = rows.find((row) => !before.includes(rowName(row))) || rows[0];
  if (next) next.focus({ preventScroll: true });
}

/** Says that something newer is there, over the list and without moving it. */
function offer(element, text, count) {
  const words = count === 1 ? word("newer-1") : count ? word("newer", { count }) : word("changed");
  let bar = element.querySelector(":scope > .newer");
  if (!bar) {
    bar = document.createElement("div");
    bar.className = "newer";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm btn-primary";
    bar.append(button);
    element.prepend(bar);
  }
  const button = bar.firstElementChild;
  button.textContent = `${words} · ${word("show")}`;
  button.onclick = () => show(element, text);
  if (bar.dataset.words !== words) announce(words);
  bar.dataset.words = words;
}

// --- Running ----------------------------------------------------------------------------------

for (const sign of ["pointermove", "keydown", "scroll", "focusin"]) {
  document.addEventListener(sign, () => { lastSign = performance.now(); }, { passive: true, capture: true });
}
// What one did oneself may have put something else into a part's place than what was tagged.
document.addEventListener("htmx:afterSwap", (event) => { if (!event.detail.live) tags.clear(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  lastSign = performance.now();
  for (const element of document.querySelectorAll("[data-live]")) stateOf(element).due = 0;
  tick();
});
onContent((root) => within(root, "[data-live]").forEach(stateOf));
setInterval(tick, 500);
