/* Relative times go on while a page is open. The exact one stands in the title. */

const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60]];

function relative(seconds, words) {
  const unit = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  return unit ? words.format(Math.trunc(seconds / unit[1]), unit[0]) : null;
}

function goOn() {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang);
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const text = relative((new Date(time.dateTime) - Date.now()) / 1000, words);
    if (text && text !== time.textContent) time.textContent = text;
  }
}

setInterval(() => { if (!document.hidden) goOn(); }, 60_000);
