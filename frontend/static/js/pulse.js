/* The heartbeat of a person's pages (partials/pulse.html): what they asked for and is finished is
 * told on whatever page they are, once; and how many change requests wait for them. */
import { announce, onContent, within, word } from "./base.js";

const KEY = "lockstep-told";
const KEPT = 40;
let remembered = [];

/** Which finished jobs were told already, in any tab. */
function told() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY));
    if (Array.isArray(stored)) remembered = stored;
  } catch {
    // Storage is blocked: this page remembers for itself.
  }
  return new Set(remembered);
}

function remember(jobs) {
  remembered = jobs.slice(-KEPT);
  try {
    localStorage.setItem(KEY, JSON.stringify(remembered));
  } catch {
    // See told().
  }
}

function showFinished(pulse) {
  const known = told();
  for (const template of pulse.querySelectorAll("template[data-finished]")) {
    const job = template.dataset.finished;
    const fresh = !known.has(job);
    known.add(job);
    // A page that is about this job tells it itself.
    if (!fresh || document.querySelector(`[data-shows-job~="${CSS.escape(job)}"]`)) continue;
    const toast = template.content.firstElementChild.cloneNode(true);
    document.getElementById("messages").append(toast);
    announce(toast.querySelector("[data-said]").textContent.trim());
  }
  remember([...known]);
}

function showTurns(pulse) {
  const count = Number(pulse.dataset.turns);
  for (const place of document.querySelectorAll("[data-turn-count]")) {
    const before = Number(place.dataset.turnCount);
    place.dataset.turnCount = count;
    place.textContent = count;
    if (count > before) announce(word(count === 1 ? "turns-1" : "turns", { count }));
  }
}

onContent((root) => {
  for (const pulse of within(root, "#pulse[data-turns]")) {
    showFinished(pulse);
    showTurns(pulse);
  }
});
