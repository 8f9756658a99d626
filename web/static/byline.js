// The byline as people with a button each to remove them, and suggestions while a name is typed.
// The field that is sent stays the one of the page: names with commas between them.
"use strict";

const sent = document.getElementById("byline");
if (sent) {
  const field = sent.closest(".field");
  const strings = JSON.parse(sent.form.dataset.strings);
  const make = (tag, values) => Object.assign(document.createElement(tag), values);
  const tokens = make("div", { className: "tokens" });
  const entry = make("input", { type: "text", autocomplete: "off" });
  const list = make("ul", { className: "suggest", id: "byline-list", hidden: true });
  const said = make("p", { className: "unseen" });
  said.setAttribute("role", "status");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", strings.people);
  let people = [];
  let options = [];
  let active = -1;
  let asked = 0;

  const attributes = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
  for (const name of ["aria-invalid", "aria-describedby"]) if (sent.hasAttribute(name)) attributes[name] = sent.getAttribute(name);
  for (const [name, value] of Object.entries(attributes)) entry.setAttribute(name, value);

  const split = (text) => text.split(",").map((name) => name.trim()).filter(Boolean);
  const has = (name) => people.some((other) => other.toLowerCase() === name.toLowerCase());

  function tell() {
    sent.value = [...people, ...split(entry.value)].join(", ");
    sent.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function draw() {
    while (entry.previousSibling) entry.previousSibling.remove(); // the field itself stays, and so the focus in it
    entry.before(
      ...people.map((name, index) => {
        const token = make("span", { className: "token", textContent: name });
        const remove = make("button", { type: "button", textContent: "×" });
        remove.setAttribute("aria-label", strings.remove.replace("{name}", name));
        remove.addEventListener("click", () => drop(index));
        token.append(remove);
        return token;
      }),
    );
  }

  function drop(index) {
    const [name] = people.splice(index, 1);
    said.textContent = strings.removed.replace("{name}", name);
    draw();
    tell();
    entry.focus();
  }

  function add(names) {
    const fresh = names.filter((name, index) => !has(name) && names.indexOf(name) === index);
    if (fresh.length) said.textContent = strings.added.replace("{names}", fresh.join(", "));
    people.push(...fresh);
    entry.value = "";
    close();
    draw();
    tell();
  }

  function close() {
    asked += 1; // an answer that is still on its way opens nothing
    options = [];
    choose(-1);
    list.hidden = true;
    entry.setAttribute("aria-expanded", "false");
  }

  function choose(index) {
    active = index;
    [...list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === index)));
    if (index < 0) entry.removeAttribute("aria-activedescendant");
    else entry.setAttribute("aria-activedescendant", list.children[index].id);
  }

  function open(words, found) {
    options = found.filter((person) => !has(person.value));
    if (!found.some((person) => person.name.toLowerCase() === words.toLowerCase())) options.push({ value: words, add: true });
    list.replaceChildren(
      ...options.map((person, index) => {
        const option = make("li", { id: `byline-${index}` });
        option.setAttribute("role", "option");
        option.append(make("span", { textContent: person.add ? strings.add.replace("{name}", words) : person.name }));
        if (person.hint) option.append(make("span", { className: "hint", textContent: person.hint }));
        option.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
        option.addEventListener("click", () => add([options[index].value]));
        return option;
      }),
    );
    list.hidden = !options.length;
    entry.setAttribute("aria-expanded", String(options.length > 0));
    choose(options.length ? 0 : -1);
  }

  async function suggest() {
    const words = entry.value.trim();
    const number = ++asked;
    if (!words) return close();
    await new Promise((done) => setTimeout(done, 120));
    if (number !== asked) return undefined;
    const story = document.querySelector("[name=stream]")?.value ?? sent.form.dataset.story ?? "";
    const query = new URLSearchParams({ q: words, stream: story });
    const found = await fetch(`/desk/people?${query}`).then((answer) => (answer.ok ? answer.json() : []), () => []);
    if (number === asked) open(words, found);
    return undefined;
  }

  entry.addEventListener("input", () => {
    const parts = entry.value.split(",");
    const rest = parts.pop();
    if (parts.length) {
      add(parts.map((name) => name.trim()).filter(Boolean));
      entry.value = rest.trimStart();
    }
    tell();
    suggest();
  });

  entry.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!options.length) return;
      event.preventDefault();
      choose((active + (event.key === "ArrowDown" ? 1 : options.length - 1)) % options.length);
    } else if (event.key === "Enter") {
      event.preventDefault(); // it would send the form
      if (active >= 0) add([options[active].value]);
      else add(split(entry.value));
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "Backspace" && !entry.value && people.length) {
      event.preventDefault();
      drop(people.length - 1);
    }
  });

  entry.addEventListener("blur", () => {
    if (entry.value.trim()) add(split(entry.value));
    close();
  });

  // drafts.js has filled the form with what was kept.
  sent.addEventListener("filled", () => {
    people = split(sent.value);
    entry.value = "";
    draw();
  });

  people = split(sent.value);
  sent.type = "hidden";
  sent.removeAttribute("id");
  entry.id = "byline";
  tokens.append(entry);
  sent.before(tokens, list, said);
  field.querySelector("label .hint").textContent = strings.bylineHint;
  draw();
  if (sent.autofocus) entry.focus();
}
