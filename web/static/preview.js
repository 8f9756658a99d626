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

// The dek's length, beside the length that e-mails and chats show whole.
const dek = document.querySelector("[data-count]");
if (dek) {
  const hint = dek.closest(".field").querySelector("label .hint");
  const count = () => {
    hint.textContent = dek.dataset.count.replace("{count}", [...dek.value.trim()].length);
  };
  dek.addEventListener("input", count);
  count();
}

// The main button names what it will do: publish, schedule, or make the chosen type of change.
const main = document.querySelector("[data-labels]");
if (main) {
  const labels = JSON.parse(main.dataset.labels);
  const { at, kind } = main.form.elements;
  const rename = () => {
    const planned = at?.value ? "schedule" : "publish";
    main.textContent = labels[kind ? kind.value : planned];
  };
  main.form.addEventListener("input", rename);
  rename();
}
