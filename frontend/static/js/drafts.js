/* What was typed and is not saved yet stays with the person: through swaps, other pages, back.
 *
 *   data-keep                 on a form: what is typed in its fields is kept
 *   data-keep-as="name"       on a field: under which name, the same wherever it is shown again
 *
 * Kept in this tab alone, until the form is sent; the server shows what it could not save. */
import { onContent } from "./base.js";

const PREFIX = "lockstep-typed ";

function keep(field) {
  try {
    if (field.value) sessionStorage.setItem(PREFIX + field.dataset.keepAs, field.value);
    else sessionStorage.removeItem(PREFIX + field.dataset.keepAs);
  } catch {
    // Storage is blocked: what is typed lasts as long as the page shows the field.
  }
}

function kept(field) {
  try {
    return sessionStorage.getItem(PREFIX + field.dataset.keepAs) || "";
  } catch {
    return "";
  }
}

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-keep] [data-keep-as]")) keep(event.target);
});

function forget(form) {
  for (const field of form.querySelectorAll("[data-keep-as]")) {
    try {
      sessionStorage.removeItem(PREFIX + field.dataset.keepAs);
    } catch {
      // As above.
    }
  }
}

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt;
  if (form.matches("[data-keep]") && event.detail.successful) forget(form);
});

onContent((root) => {
  for (const field of root.querySelectorAll("[data-keep] [data-keep-as]")) {
    if (!field.value) field.value = kept(field);
  }
});

// A field that only one choice of a select needs is shown with that choice.
function showFor(select) {
  const part = document.getElementById(select.dataset.shows);
  if (part) part.hidden = select.value !== select.dataset.showsFor;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-shows]")) showFor(event.target);
});

onContent((root) => {
  for (const select of root.querySelectorAll("select[data-shows]")) showFor(select);
});
