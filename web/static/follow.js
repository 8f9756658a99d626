// The addresses are text that can be marked; this adds the buttons that copy them.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = button.previousElementSibling;
  const label = button.firstElementChild;
  const words = label.textContent;
  let later;
  button.hidden = false;
  button.addEventListener("click", async () => {
    label.textContent = (await copied(source)) ? button.dataset.copy : button.dataset.marked;
    clearTimeout(later);
    later = setTimeout(() => { label.textContent = words; }, 2000);
  });
}

// Browsers copy by themselves on https only; elsewhere the text is marked first.
async function copied(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}
