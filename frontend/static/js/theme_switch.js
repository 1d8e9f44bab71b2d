/* The button that changes the theme. theme.js chooses it before the page is drawn. */
import { onContent } from "./base.js";

function currentTheme() {
  const chosen = document.documentElement.dataset.bsTheme;
  if (chosen) return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function showTheme() {
  const next = currentTheme() === "dark" ? "light" : "dark";
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.hidden = false;
    button.setAttribute("aria-label", `Switch to the ${next} theme`);
    button.title = button.getAttribute("aria-label");
    button.textContent = next === "dark" ? "☾" : "☀";
  }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const next = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.bsTheme = next;
  try {
    localStorage.setItem("lockstep-theme", next);
  } catch {
    // The choice then lasts for this page only.
  }
  showTheme();
});

onContent(showTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
