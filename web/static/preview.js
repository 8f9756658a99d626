// The previews beside the form come from the server while somebody types; this keeps open and closed what was so.
"use strict";

const folds = new Map();

document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.id) folds.set(event.target.id, event.target.open);
  },
  true,
);

document.addEventListener("htmx:oobAfterSwap", () => {
  for (const [id, open] of folds) {
    const fold = document.getElementById(id);
    if (fold && fold.open !== open) fold.open = open;
  }
});

const button = document.querySelector("button[value=preview]");
if (button) button.hidden = true; // it is there already

// How long the dek is, beside the length that mails and chats show whole.
const dek = document.querySelector("[data-best]");
if (dek) {
  const hint = dek.closest(".field").querySelector("label .hint");
  const count = () => {
    const length = [...dek.value.trim()].length;
    hint.textContent = `One sentence. ${length} character${length === 1 ? "" : "s"}, best under ${dek.dataset.best}`;
  };
  dek.addEventListener("input", count);
  count();
}
