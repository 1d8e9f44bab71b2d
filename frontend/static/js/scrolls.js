/* data-keep-scroll: a box that scrolls stays where it was when a swap brings it anew.
 *
 * The box needs an id, by which the new one is known.
 */

let kept = new Map();

document.addEventListener("htmx:beforeSwap", () => {
  kept = new Map([...document.querySelectorAll("[data-keep-scroll][id]")]
    .map((box) => [box.id, { box, left: box.scrollLeft, top: box.scrollTop }]));
});

function restore() {
  for (const [id, { box, left, top }] of kept) {
    const now = document.getElementById(id);
    if (!now || now === box) continue;
    now.scrollTo(left, top);
    kept.delete(id);
  }
}

document.addEventListener("htmx:afterSwap", restore);
document.addEventListener("htmx:oobAfterSwap", restore);
