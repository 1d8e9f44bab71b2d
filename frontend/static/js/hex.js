/* A stream's tree beside its bytes: what is chosen in one is marked in the other.
 *
 *   data-piece="17"   on a link, in the tree and in the bytes: the same piece has the same number
 *
 * Choosing (click, or moving there with the arrows of grids.js) marks both, brings the other one
 * into view, asks the server what the bytes mean (#piece), and puts the place into the address.
 */
import { onContent } from "./base.js";

/** Arrows may run over many fields: only where one stops is asked about. */
const PATIENCE = 180;

let asking = 0;

function boxOf(element) {
  return element.closest(".tree-box, .hex-box");
}

/** Scrolls the box that an element stands in, never the page. */
function show(element) {
  const box = element && boxOf(element);
  if (!box) return;
  const outer = box.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  const room = Math.min(60, outer.height / 4);
  if (inner.top < outer.top + room) box.scrollTop -= outer.top + room - inner.top;
  else if (inner.bottom > outer.bottom - room) box.scrollTop += inner.bottom - outer.bottom + room;
}

function mark(anatomy, link) {
  const number = link.dataset.piece;
  for (const one of anatomy.querySelectorAll("[data-piece]")) {
    if (one.dataset.piece === number) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
  const open = anatomy.querySelector(".tree-part[aria-current]");
  if (open) open.setAttribute("aria-current", "location");
  const here = boxOf(link);
  const other = [...anatomy.querySelectorAll(`[data-piece="${number}"]`)]
    .find((one) => boxOf(one) !== here);
  show(other);
}

function ask(link) {
  clearTimeout(asking);
  const address = link.getAttribute("href");
  asking = setTimeout(() => {
    history.replaceState(history.state, "", address);
    window.htmx.ajax("GET", address, { target: "#piece", swap: "outerHTML" });
  }, PATIENCE);
}

function choose(link) {
  if (link.getAttribute("aria-current") === "true") return;
  mark(link.closest("#anatomy"), link);
  ask(link);
}

function pieceOf(event) {
  return event.target instanceof Element ? event.target.closest("#anatomy [data-piece]") : null;
}

document.addEventListener("click", (event) => {
  const link = pieceOf(event);
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  choose(link);
});
document.addEventListener("focusin", (event) => {
  const link = pieceOf(event);
  if (link && link.matches(":focus-visible")) choose(link);
});

onContent((root) => {
  const anatomy = root.querySelector("#anatomy") || (root.id === "anatomy" ? root : null);
  if (!anatomy) return;
  show(anatomy.querySelector(".tree-part[aria-current]"));
  for (const box of anatomy.querySelectorAll(".tree-box, .hex-box")) {
    show(box.querySelector("[data-piece][aria-current]"));
  }
});
