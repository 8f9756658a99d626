// The reader's own time on each moment, for whoever points at it; without script there is the story's, which the page names.
"use strict";

{
  const words = document.currentScript.dataset.words;
  const style = { weekday: "short", day: "numeric", month: "long", year: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" };
  const format = new Intl.DateTimeFormat(document.documentElement.lang, style);

  document.addEventListener("pointerover", (event) => {
    const time = event.target.closest('time[datetime*="T"]');
    if (time && !time.title) time.title = words.replace("#", format.format(new Date(time.dateTime)));
  });
}
