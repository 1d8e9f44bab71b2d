/* The button that changes the theme: at once here, and kept at the server for the person. */
import { onContent, word } from "./base.js";

function currentTheme() {
  const chosen = document.documentElement.dataset.bsTheme;
  if (chosen) return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function showTheme() {
  const next = currentTheme() === "dark" ? "light" : "dark";
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.hidden = false;
    button.setAttribute("aria-label", word(`to-${next}`));
    button.title = button.getAttribute("aria-label");
    button.textContent = next === "dark" ? "☾" : "☀";
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-switch]");
  if (!button) return;
  const theme = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.bsTheme = theme;
  showTheme();
  window.htmx.ajax("POST", button.dataset.themeSwitch, { source: button, swap: "none", values: { theme } });
});

onContent(showTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
