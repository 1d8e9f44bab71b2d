/* data-max-bytes="N" on a file input: what is too large is said before it is sent.
 *
 * The server stops it too; here nobody has to wait for that.
 */

document.addEventListener("change", (event) => {
  const input = event.target;
  if (!input.matches("input[type=file][data-max-bytes]")) return;
  const limit = Number(input.dataset.maxBytes);
  const large = [...input.files].find((file) => file.size > limit);
  input.setCustomValidity(large ? `${large.name} is larger than ${Math.floor(limit / 2 ** 20)} MiB.` : "");
  if (large) input.reportValidity();
});
