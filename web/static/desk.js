// The desk works without this; it only saves steps.
"use strict";

// Ctrl and Enter presses the main button of the form.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  const button = event.target.form?.querySelector("[data-ctrl-enter]");
  if (!button) return;
  event.preventDefault();
  button.form.requestSubmit(button);
});

// What this browser kept of a form that has arrived is not offered again.
const arrived = document.querySelector("[data-arrived]");
if (arrived) {
  const keys = new Set(arrived.dataset.arrived.split(" "));
  for (const name of Object.keys(localStorage).filter((name) => name.startsWith("storywire."))) {
    const kept = JSON.parse(localStorage.getItem(name));
    if (kept.fields.some(([field, value]) => field === "request_key" && keys.has(value))) localStorage.removeItem(name);
  }
}

// What is on its way is looked at again, unless somebody is about to press something.
if (document.querySelector("[data-live]")) {
  setInterval(() => {
    if (!document.hidden && !document.activeElement?.closest("form")) location.reload();
  }, 5000);
}

// Seconds until it goes out; then the page is asked for again.
const count = document.querySelector("[data-seconds]");
if (count) {
  const ends = performance.now() + 1000 * Number(count.dataset.seconds);
  const text = count.querySelector("[role=timer] b");
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" }); // "in 5 seconds", "now"
  const bar = count.querySelector("progress");
  const tick = () => {
    const left = Math.ceil((ends - performance.now()) / 1000);
    if (left <= 0) {
      text.textContent = format.format(0, "second");
      setTimeout(() => location.reload(), 700);
      return;
    }
    text.textContent = format.format(left, "second");
    bar.value = left;
    setTimeout(tick, 200);
  };
  tick();
}
