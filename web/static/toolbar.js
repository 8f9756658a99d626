// Buttons and keys that write Markdown. What they do can be undone like typing.
"use strict";

const toolbar = document.getElementById("toolbar");
const body = document.getElementById("body");

// Write in place of what is selected, then select a part of it; execCommand is what keeps Undo.
function write(text, from, to) {
  const start = body.selectionStart;
  body.focus();
  if (!document.execCommand("insertText", false, text)) {
    body.setRangeText(text, start, body.selectionEnd, "end");
    body.dispatchEvent(new Event("input", { bubbles: true }));
  }
  body.setSelectionRange(start + from, start + to);
}

function around(mark) {
  const { value, selectionStart: start, selectionEnd: end } = body;
  const chosen = value.slice(start, end);
  if (value.slice(start - mark.length, start) === mark && value.slice(end, end + mark.length) === mark) {
    body.setSelectionRange(start - mark.length, end + mark.length);
    write(chosen, 0, chosen.length);
  } else {
    write(mark + chosen + mark, mark.length, mark.length + chosen.length);
  }
}

function link() {
  const chosen = body.value.slice(body.selectionStart, body.selectionEnd);
  if (/^https?:\/\/\S+$/.test(chosen)) write(`[](${chosen})`, 1, 1);
  else write(`[${chosen}](https://)`, chosen.length + 3, chosen.length + 11);
}

// Begin each line that is touched with a mark, or take it away where all have it; a paragraph stands before.
function lines(mark) {
  const { value, selectionStart, selectionEnd } = body;
  const start = value.lastIndexOf("\n", selectionStart - 1) + 1;
  const found = value.indexOf("\n", selectionEnd);
  const rows = value.slice(start, found < 0 ? value.length : found).split("\n");
  const all = rows.every((row) => row.startsWith(mark));
  const changed = rows.map((row) => (all ? row.slice(mark.length) : mark + row)).join("\n");
  const before = value.slice(0, start);
  const gap = all || !before.trim() || before.endsWith("\n\n") || before.split("\n").at(-2).startsWith(mark) ? "" : "\n";
  body.setSelectionRange(start, found < 0 ? value.length : found);
  write(gap + changed, gap.length + changed.length, gap.length + changed.length);
}

const marks = { bold: () => around("**"), italic: () => around("*"), link, quote: () => lines("> "), list: () => lines("- ") };

if (toolbar && body) {
  toolbar.hidden = false;
  toolbar.addEventListener("click", (event) => marks[event.target.closest("[data-mark]")?.dataset.mark]?.());
  body.addEventListener("keydown", (event) => {
    const name = { b: "bold", i: "italic", k: "link" }[event.key.toLowerCase()];
    if (!name || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    marks[name]();
  });
}
