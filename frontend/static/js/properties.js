/* data-property-picker: device type, property and value become a line of a form's text.
 *
 *   data-add-to="id"   on a button inside: appends driver.property=value to the field of that id
 */
import { announce, onContent } from "./base.js";

function field(picker, name) {
  return picker.querySelector(`#id_${name}`);
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

onContent((root) => {
  for (const picker of root.querySelectorAll("[data-property-picker]")) picker.hidden = false;
});
