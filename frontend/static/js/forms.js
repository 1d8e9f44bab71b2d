/* Forms: those sent by a choice, buttons that only a page without scripts needs, dismissing. */
import { onContent } from "./base.js";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dismiss]");
  if (button) button.parentElement.remove();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

onContent((root) => {
  for (const button of root.querySelectorAll("[data-js-hidden]")) button.hidden = true;
  for (const button of root.querySelectorAll("[data-dismiss]")) button.hidden = false;
});
