/* Keys that work on every page. */

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    const everything = document.querySelector("[data-global-search]");
    if (everything) {
      event.preventDefault();
      everything.focus();
    }
    return;
  }
  if (event.key === "Escape" && typing && typing.type === "search") typing.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    const search = document.querySelector("[data-global-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
  if (event.key === "j" || event.key === "k") moveRow(event.key === "j" ? 1 : -1);
});

function moveRow(step) {
  const links = [...document.querySelectorAll("[data-rows] [data-row-link]")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = links[Math.min(links.length - 1, Math.max(0, at + step))];
  next.focus();
}

