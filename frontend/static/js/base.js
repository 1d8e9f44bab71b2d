/* What the other scripts share: work on new content, and words for a screen reader. */

const enhancers = [];

/** Calls ``work(root)`` for the page, and for each part of it that htmx swaps in. */
export function onContent(work) {
  enhancers.push(work);
  work(document);
}

export function enhance(root) {
  for (const work of enhancers) work(root);
}

export function announce(text) {
  const region = document.getElementById("announce");
  if (!region || !text) return;
  region.textContent = "";
  // A change after a pause is read even where the same words stood before.
  setTimeout(() => { region.textContent = text; }, 60);
}
