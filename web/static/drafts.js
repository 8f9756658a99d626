// What is typed is kept: on the server by htmx (see #live in the form), and here in the browser until the server has it.
"use strict";

const form = document.getElementById("entry-form");
if (form) {
  const PREFIX = `storywire.${form.dataset.account}.`;
  const key = () => PREFIX + (form.elements.entry ?? form.elements.request_key).value;
  const live = document.getElementById("live");
  const status = document.getElementById("keeping");
  const passing = new Set(["csrf_token", "do", "confirmed", "seen", "typed", "entry", "window"]);
  const silent = new Set([...passing, "version", "request_key"]); // these say nothing of what was typed
  const strings = JSON.parse(form.dataset.strings);
  let asking = "";
  let leaving = false;
  let again = 0;

  const fields = () => [...new FormData(form)].filter(([name, value]) => !passing.has(name) && typeof value === "string");
  const said = (list) => JSON.stringify(list.filter(([name]) => !silent.has(name)).map(([name, value]) => [name, value.replace(/\r\n/g, "\n")]));
  const clock = (at) => new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

  function read(name) {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null;
    }
  }

  function store() {
    try {
      const kept = { at: Date.now(), action: form.getAttribute("action"), seen: form.elements.seen.value, fields: fields() };
      localStorage.setItem(key(), JSON.stringify(kept));
      return true;
    } catch {
      return false; // a browser may have no room, or forbid it
    }
  }

  // Each change is in the browser at once; it goes from there when the server has said that it keeps the same.
  form.addEventListener("input", () => {
    form.elements.typed.value = "yes";
    store();
  });

  live.addEventListener("htmx:beforeRequest", (event) => {
    if (leaving) event.preventDefault();
    asking = said(fields());
  });

  live.addEventListener("htmx:afterRequest", (event) => {
    if (leaving) return;
    const kept = event.detail.successful && form.elements.typed.value && document.querySelector("#keeping time");
    if (kept && said(fields()) === asking) localStorage.removeItem(key());
    if (!event.detail.successful) lost(event.detail.xhr.status);
  });

  function lost(code) {
    const why = { 0: strings.unreachable, 401: strings.loggedOut, 400: strings.loggedInAgain }[code] ?? strings.serverError;
    const saved = form.elements.typed.value && store();
    status.textContent = saved ? `${why} ${strings.savedHere.replace("{time}", clock(Date.now()))}` : why;
    clearTimeout(again);
    again = setTimeout(() => htmx.trigger(live, "again"), 10000);
  }

  window.addEventListener("online", () => htmx.trigger(live, "again"));

  // From here the form itself is on its way; should it not arrive, it is offered again.
  form.addEventListener("submit", () => {
    leaving = true;
    store();
  });
  window.addEventListener("pageshow", () => {
    leaving = false;
  });

  function fill(kept) {
    for (const element of form.elements) {
      const values = kept.fields.filter(([name]) => name === element.name).map(([, value]) => value);
      if (passing.has(element.name) || !element.name) continue;
      if (element.type === "radio" || element.type === "checkbox") element.checked = values.includes(element.value);
      else if (values.length) element.value = values[0];
    }
    form.elements.seen.value = kept.seen;
    form.querySelector("[name=byline]").dispatchEvent(new Event("filled"));
    form.elements.title.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function offer(name, kept) {
    const title = new Map(kept.fields).get("title") || strings.untitled;
    const row = document.createElement("li");
    const words = document.createElement("span");
    words.append(title, Object.assign(document.createElement("span"), { className: "hint", textContent: strings.savedHere.replace("{time}", clock(kept.at)) }));
    const buttons = document.createElement("span");
    buttons.className = "buttons";
    const press = (label, act) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: label });
      button.setAttribute("aria-label", `${label}: ${title}`);
      button.addEventListener("click", () => {
        act();
        localStorage.removeItem(name);
        row.remove();
        panel.hidden = !panel.querySelector("li");
      });
      buttons.append(button);
    };
    press(strings.continue, () => {
      fill(kept);
      form.elements.title.focus();
    });
    press(strings.discard, () => {});
    row.append(words, buttons);
    const panel = document.getElementById("unfinished");
    panel.querySelector("ul").append(row);
    panel.hidden = false;
  }

  const mine = (name) => name === key() || (form.getAttribute("action") === "/desk/post" && read(name)?.action === "/desk/post");
  for (const name of Object.keys(localStorage).filter((name) => name.startsWith(PREFIX) && mine(name))) {
    const kept = read(name);
    if (!kept || said(kept.fields) === said(fields())) localStorage.removeItem(name);
    else offer(name, kept);
  }
}
