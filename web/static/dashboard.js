// The overview keeps itself up to date: by server-sent events, or by asking every few seconds where too many look.
"use strict";

const dashboard = document.querySelector(".dashboard");
const ASK_EVERY_MS = 5000;
const STREAM_AGAIN_MS = 60000;
const WINK_EVERY_MS = 400;
const WINKS_WAITING_MOST = 5;
let flashes = null;
let winksWaiting = 0;
let winking = false;
const shown = {};

function update(news) {
  for (const [name, light] of Object.entries(news.lights)) {
    const element = document.getElementById(`light-${name}`);
    if (element.dataset.rhythm !== light.rhythm) element.dataset.rhythm = light.rhythm;
    setText(element.querySelector(".called"), light.called);
    setText(element.querySelector(".says"), light.says);
  }
  if (flashes !== null && news.flashes > flashes) winksWaiting = Math.min(WINKS_WAITING_MOST, winksWaiting + news.flashes - flashes);
  flashes = news.flashes;
  if (winksWaiting && !winking) wink();
  for (const [id, html] of Object.entries(news.parts)) {
    if (shown[id] === html) continue;
    shown[id] = html;
    const part = document.getElementById(id);
    part.innerHTML = html; // made by the server from a template that escapes all it is given
    localTimes(part);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// One wink for each message; those that come together follow each other, and no more than a few.
function wink() {
  const light = document.getElementById("light-mail");
  light.classList.remove("is-winking");
  winking = winksWaiting > 0;
  if (!winking) return;
  winksWaiting -= 1;
  void light.getBoundingClientRect(); // so that the animation begins anew
  light.classList.add("is-winking");
  setTimeout(wink, WINK_EVERY_MS);
}

async function ask() {
  try {
    const response = await fetch(dashboard.dataset.news, { credentials: "same-origin" });
    if (response.status === 401) return location.reload();
    if (response.ok) update(await response.json());
  } catch {
    // Not reachable just now; the next try comes by itself.
  }
  return undefined;
}

let asking = 0;
function askNowAndThen() {
  if (!asking) asking = setInterval(() => { if (!document.hidden) ask(); }, ASK_EVERY_MS);
}

function listen() {
  const stream = new EventSource(dashboard.dataset.stream);
  stream.onopen = () => { clearInterval(asking); asking = 0; };
  stream.onmessage = (event) => update(JSON.parse(event.data));
  stream.addEventListener("gone", () => { stream.close(); location.reload(); });
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return; // the browser opens it again by itself
    askNowAndThen();
    setTimeout(listen, STREAM_AGAIN_MS);
  };
  window.addEventListener("pagehide", () => stream.close(), { once: true });
}
listen();
