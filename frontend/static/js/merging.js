/* Where both sides changed the same: whoever types another value has chosen it. */

document.addEventListener("input", (event) => {
  const side = event.target.closest("[data-conflicts] .side-typed");
  const radio = side && side.querySelector('input[type="radio"]');
  if (radio && event.target !== radio) radio.checked = true;
});
