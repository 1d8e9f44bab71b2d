/* data-copy on a button: puts the text of the element before it on the clipboard.
 *
 * The button keeps its room and is shown where there is a clipboard: browsers give none to pages
 * that come by plain HTTP from another machine. Where copying is refused the text is selected, so
 * that the browser's own keys copy it. */
import { announce, onContent, within, word } from "./base.js";

/** How long a button says that it is done, in milliseconds. */
const SAID = 2000;

async function copy(button) {
  const text = button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    getSelection().selectAllChildren(text);
    announce(word("not-copied"));
    return;
  }
  announce(word("copied"));
  button.classList.add("is-done");
  setTimeout(() => button.classList.remove("is-done"), SAID);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

onContent((root) => {
  if (!navigator.clipboard) return;
  for (const button of within(root, "[data-copy]")) button.dataset.ready = "";
});
