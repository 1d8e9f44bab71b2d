/* htmx: what is pending, what came, and what went wrong, shown where one looks. */
import { announce, enhance, notice, within, word } from "./base.js";

let pending = 0;
function countPending(step) {
  pending = Math.max(0, pending + step);
  document.documentElement.classList.toggle("pending", pending > 0);
}
document.addEventListener("htmx:beforeRequest", () => countPending(1));
document.addEventListener("htmx:afterRequest", () => countPending(-1));

/** Where an error of this request is shown: before the target, or before what was pressed where
 * the target is not to be seen. */
function placeOf(event) {
  const target = event.detail.target;
  const seen = target && target.isConnected && target.checkVisibility();
  return seen ? target : event.detail.elt.closest("form, tr, li, p") || event.detail.elt;
}

function removeError(place) {
  const shown = place.previousElementSibling;
  if (shown && shown.classList.contains("swap-error")) shown.remove();
}

function showError(event, text, link) {
  const place = placeOf(event);
  removeError(place);
  const box = notice("error", text, link);
  box.classList.add("swap-error");
  box.setAttribute("role", "alert");
  box.tabIndex = -1;
  place.before(box);
  box.scrollIntoView({ block: "nearest" });
}

/** The way to the sign-in page, which leads back to the page as it is now. */
export function signIn() {
  const link = document.createElement("a");
  const here = location.pathname + location.search;
  link.href = `${document.documentElement.dataset.signIn}?next=${encodeURIComponent(here)}`;
  link.textContent = word("sign-in");
  return link;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target) removeError(placeOf(event));
});
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 401) {
    showError(event, word("session-ended"), signIn());
    return;
  }
  const texts = { 403: "forbidden", 404: "gone", 413: "too-large", 429: "too-many" };
  showError(event, word(texts[status] || "failed", { status }));
});
document.addEventListener("htmx:sendError", (event) => showError(event, word("unreachable")));
document.addEventListener("htmx:timeout", (event) => showError(event, word("too-slow")));

function swapped(event) {
  // A target that was swapped as a whole is gone; the event is sent from what took its place.
  const target = event.detail.target;
  if (target && target.isConnected) return target;
  // A page restored from the history has no target of its own.
  return event.target instanceof Element ? event.target : document.body;
}

document.addEventListener("htmx:afterSwap", (event) => {
  // What came by itself is announced by live.js, and never moves the focus.
  if (event.detail.live) return;
  const [spoken] = within(swapped(event), "[data-announce]");
  if (spoken) announce(spoken.dataset.announce);
});
document.addEventListener("htmx:afterSettle", (event) => {
  const target = swapped(event);
  enhance(target);
  if (event.detail.live) return;
  // What was swapped in along with the target belongs to it.
  const parts = [target, ...document.querySelectorAll(`[data-follows="${target.id}"]`)];
  const find = (selector) => parts.map((part) => within(part, selector)[0]).find(Boolean);
  const wanted = find("[aria-invalid='true'], [data-focus]");
  const lost = !document.activeElement || document.activeElement === document.body;
  const next = wanted || (lost && find("[data-refocus]"));
  if (!next) return;
  next.focus({ preventScroll: !wanted });
  // Whoever works with keys has to see where they are; under the mouse nothing moves.
  if (next.matches(":focus-visible")) next.scrollIntoView({ block: "nearest" });
});
document.addEventListener("htmx:historyRestore", () => enhance(document));

// An empty field is no filter: it does not belong into the address.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") return;
  const sent = event.detail.formData;
  for (const [name, value] of [...sent.entries()]) if (value === "") sent.delete(name);
});
