/* Forms: those sent by a choice, buttons that only a page without scripts needs, dismissing.
 *
 *   data-submit-on-change   on a select: choosing sends its form
 *
 * With the keyboard one passes other options, or types a name letter by letter, on the way to the
 * one that is meant. So what a key chose is sent by Enter: the form's own button, which is hidden
 * from whoever chooses with the pointer, is shown; where there is none, leaving the select sends. */
import { announce, onContent, word } from "./base.js";

const SENDING = "select[data-submit-on-change], form[hx-trigger^='change'] select";

let key = null; // the last one that was pressed in a select
let held = null; // the select whose choice is not sent yet

function button(select) {
  return select.form.querySelector("[data-js-hidden]");
}

function hold(select) {
  if (held !== select) announce(word("enter-sends"));
  held = select;
  if (button(select)) button(select).hidden = false;
}

function send(select) {
  held = null;
  key = null;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("keydown", (event) => {
  key = event.key;
  if (key !== "Enter" || !held || event.target !== held) return;
  event.preventDefault();
  send(held);
}, true);
document.addEventListener("pointerdown", () => { key = null; }, true);

// Before anybody else hears of it, htmx included.
document.addEventListener("change", (event) => {
  if (!key || key === "Enter" || key === "Tab" || !event.target.matches(SENDING)) return;
  event.stopImmediatePropagation();
  hold(event.target);
}, true);

document.addEventListener("focusout", (event) => {
  if (held && event.target === held && !button(held)) send(held);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) dismiss.parentElement.remove();
});

onContent((root) => {
  for (const one of root.querySelectorAll("[data-js-hidden]")) one.hidden = true;
  for (const one of root.querySelectorAll("[data-dismiss]")) one.hidden = false;
});
