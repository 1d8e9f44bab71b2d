/* Short forms that are written without the mouse: data-quick-form.
 *
 * Ctrl-Enter sends one. Escape closes it: an open <details> around it, else what its
 * data-quick-cancel stands for; the focus goes back to where it came from.
 */

function close(form) {
  const details = form.closest("details[open]");
  const cancel = form.querySelector("[data-quick-cancel]");
  if (details) {
    details.open = false;
    details.querySelector("summary").focus();
  } else if (cancel) {
    cancel.click();
  }
}

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("[data-quick-form]");
  if (!form) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "Escape") {
    event.preventDefault();
    close(form);
  }
});

document.addEventListener("click", (event) => {
  const cancel = event.target.closest("[data-quick-cancel]");
  if (!cancel) return;
  const form = cancel.closest("[data-quick-form]");
  const stop = form.closest("[data-key-stop]");
  if (!stop) return;
  event.preventDefault();
  form.remove();
  stop.focus();
});

// A form that is opened is there to be written in. The event does not bubble: it is caught on its way.
document.addEventListener("toggle", (event) => {
  const field = event.target.open && event.target.querySelector(":scope > [data-quick-form] textarea");
  if (field) field.focus();
}, true);
