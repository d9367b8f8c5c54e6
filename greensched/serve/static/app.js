// Puts sections in place as the server sends them. They are escaped there; nothing is run here.
"use strict";

const link = document.getElementById("link");
const AGAIN_MS = 10_000; // until a stream that was refused is asked for again
let version = document.body.dataset.version;
let stream = null;

function tell(text, isLost) {
  if (link.textContent !== text) link.textContent = text;
  document.body.classList.toggle("lost", isLost);
}

// What the reader had unfolded, scrolled or focused in a section stays so.
function replace(section, html) {
  const open = [...section.querySelectorAll("details")].map((one) => one.open);
  const scrolled = [...section.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
  const focusable = "summary, .scroll, a, button";
  const focused = [...section.querySelectorAll(focusable)].indexOf(document.activeElement);
  section.innerHTML = html;
  section.querySelectorAll("details").forEach((one, i) => { one.open = open[i] ?? false; });
  section.querySelectorAll(".scroll").forEach((one, i) => {
    [one.scrollLeft, one.scrollTop] = scrolled[i] ?? [0, 0];
  });
  if (focused >= 0) section.querySelectorAll(focusable)[focused]?.focus({ preventScroll: true });
}

function listen() {
  stream = new EventSource(`/events?since=${encodeURIComponent(version)}`);
  stream.onopen = () => tell("live", false);
  stream.addEventListener("board", (event) => {
    version = event.lastEventId;
    for (const [name, html] of Object.entries(JSON.parse(event.data))) {
      const section = document.getElementById(name);
      if (section) replace(section, html);
    }
    tell("live", false);
  });
  stream.onerror = () => {
    tell("connection lost; what is shown may be old", true);
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  };
}

listen();
