/* htmx: what is pending, what came, and what went wrong, shown where one looks. */
import { announce, enhance } from "./base.js";

let pending = 0;
function countPending(step) {
  pending = Math.max(0, pending + step);
  document.documentElement.classList.toggle("pending", pending > 0);
}
document.addEventListener("htmx:beforeRequest", () => countPending(1));
document.addEventListener("htmx:afterRequest", () => countPending(-1));

function removeError(target) {
  const shown = target.previousElementSibling;
  if (shown && shown.classList.contains("swap-error")) shown.remove();
}

function showError(event, text) {
  const target = event.detail.target || event.target;
  removeError(target);
  const box = document.createElement("div");
  box.className = "notice error swap-error";
  box.setAttribute("role", "alert");
  box.tabIndex = -1;
  const symbol = document.createElement("span");
  symbol.className = "symbol";
  symbol.setAttribute("aria-hidden", "true");
  symbol.textContent = "✕";
  const words = document.createElement("span");
  words.textContent = text;
  box.append(symbol, words);
  target.before(box);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target) removeError(event.detail.target);
});
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  const texts = {
    403: "You may not do this.",
    404: "This is no longer there. Reload the page.",
    413: "That is too large.",
    429: "Too many requests. Wait a moment and try again.",
  };
  showError(event, texts[status] || `The server could not do this (error ${status}). Nothing was changed.`);
});
document.addEventListener("htmx:sendError", (event) => {
  showError(event, "The server cannot be reached. Nothing was changed; try again.");
});
document.addEventListener("htmx:timeout", (event) => {
  showError(event, "The server takes too long. Reload the page to see whether it was done.");
});

function swapped(event) {
  // A target that was swapped as a whole is gone; the event is sent from what took its place.
  const target = event.detail.target;
  if (target && target.isConnected) return target;
  // A page restored from the history has no target of its own.
  return event.target instanceof Element ? event.target : document.body;
}

document.addEventListener("htmx:afterSwap", (event) => {
  const spoken = swapped(event).querySelector("[data-announce]");
  if (spoken) announce(spoken.dataset.announce);
});
document.addEventListener("htmx:afterSettle", (event) => {
  const target = swapped(event);
  enhance(target);
  // What was swapped in along with the target belongs to it.
  const parts = [target, ...document.querySelectorAll(`[data-follows="${target.id}"]`)];
  const find = (selector) => parts.map((part) => part.querySelector(selector)).find(Boolean);
  const wanted = find("[aria-invalid='true'], [data-focus]");
  const lost = !document.activeElement || document.activeElement === document.body;
  const next = wanted || (lost && find("[data-refocus]"));
  if (next) next.focus({ preventScroll: !wanted });
});
document.addEventListener("htmx:historyRestore", () => enhance(document));

// An empty field is no filter: it does not belong into the address.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") return;
  const sent = event.detail.formData;
  for (const [name, value] of [...sent.entries()]) if (value === "") sent.delete(name);
});
