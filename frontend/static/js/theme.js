/* Sets the chosen theme before anything is drawn; without a choice the system's holds. */
"use strict";
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("lockstep-theme");
  } catch {
    // Storage is blocked: the system's theme holds.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.bsTheme = theme;
})();
