// Says how many updates came since the page was made, without moving what one reads; shows them to whoever asks for them.
"use strict";

{
  const LONGEST = 600; // seconds between two questions while there is no answer
  const MOST = 50; // that the live document counts
  const row = document.querySelector("[data-live]");
  let newest = Number(row.dataset.newest);
  let every = Number(row.dataset.ask); // seconds; 0: no more questions
  let due = Date.now() + every * 1000;
  let failures = 0;
  let timer;

  function plan() {
    clearTimeout(timer);
    if (every && !document.hidden) timer = setTimeout(ask, due - Date.now());
  }

  async function ask() {
    let wait;
    try {
      const answer = await fetch(row.dataset.live, { cache: "no-cache", credentials: "omit" });
      if (answer.status === 404 || answer.status === 410) every = 0;
      else if (!answer.ok) wait = pause(answer.headers.get("Retry-After"));
      else heed(await answer.json());
    } catch {
      wait = pause(null);
    }
    due = Date.now() + (wait ?? every) * 1000;
    plan();
  }

  function heed(found) {
    failures = 0;
    every = found.ask;
    say(found.entries.filter((seq) => seq > newest).length);
  }

  // Seconds after a failure: twice as many each time, and no fewer than the server wants.
  function pause(wanted) {
    failures += 1;
    return Math.max(Math.min(every * 2 ** failures, LONGEST), Number(wanted) || 0);
  }

  function say(number) {
    const words = number === 1 ? row.dataset.one : row.dataset.many.replace("#", number < MOST ? number : `${MOST}+`);
    if (number && row.textContent !== words) {
      const pill = document.createElement("a");
      pill.className = "pill";
      pill.href = location.pathname;
      pill.textContent = words;
      row.replaceChildren(pill);
    } else if (!number) {
      row.replaceChildren();
    }
  }

  async function show() {
    const answer = await fetch(location.pathname, { cache: "no-cache", credentials: "omit" });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const known = new Set(ids());
    const read = [...document.querySelectorAll("article[id]")].find((article) => article.getBoundingClientRect().bottom > 0);
    const before = read?.getBoundingClientRect().top;
    for (const part of document.querySelectorAll("[data-fresh]")) {
      part.replaceWith(page.querySelector(`[data-fresh="${part.dataset.fresh}"]`) ?? "");
    }
    const still = read && document.getElementById(read.id);
    if (still) scrollBy({ top: still.getBoundingClientRect().top - before, behavior: "instant" });
    const fresh = page.querySelector("[data-live]");
    every = Number(fresh?.dataset.ask ?? 0);
    newest = Number(fresh?.dataset.newest ?? newest);
    row.replaceChildren();
    arrive(ids().find((id) => !known.has(id)));
  }

  // The pill leads to the first new entry, as a link does: Back returns to where one read.
  function arrive(id) {
    if (!id) return;
    location.hash = id;
    document.getElementById(id).querySelector("h3 a")?.focus({ preventScroll: true });
  }

  function ids() {
    return [...document.querySelectorAll("article[id]")].map((article) => article.id);
  }

  row.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show().catch(() => location.reload());
  });
  document.addEventListener("visibilitychange", plan);
  plan();
}
