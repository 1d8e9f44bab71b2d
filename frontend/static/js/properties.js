/* data-property-picker: device type, property and value become a line of a form's text.
 *
 *   data-add-to="id"   on a button inside: appends driver.property=value to the field of that id
 */
import { announce, onContent } from "./base.js";

function field(picker, name) {
  return picker.querySelector(`[name="${name}"]`);
}

function missing(picker) {
  return ["driver", "property"].map((name) => field(picker, name)).find((one) => !one.value.trim());
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add-to]");
  const picker = button && button.closest("[data-property-picker]");
  const lines = button && document.getElementById(button.dataset.addTo);
  if (!picker || !lines) return;
  const empty = missing(picker);
  if (empty) {
    empty.focus();
    return;
  }
  const [driver, property, value] = ["driver", "property", "value"]
    .map((name) => field(picker, name).value.trim());
  const line = `${driver}.${property}=${value}`;
  lines.value = [lines.value.trimEnd(), line].filter(Boolean).join("\n");
  announce(line);
});

/** Enter adds what was put together, unless it takes an option; it does not send the form. */
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.defaultPrevented) return;
  const picker = event.target instanceof HTMLInputElement && event.target.closest("[data-property-picker]");
  if (!picker || event.target.hasAttribute("aria-activedescendant")) return;
  event.preventDefault();
  picker.querySelector("[data-add-to]").click();
});

onContent((root) => {
  for (const picker of root.querySelectorAll("[data-property-picker]")) picker.hidden = false;
});
