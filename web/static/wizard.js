// The wizard and forms like it: answers are checked while they are typed, what depends on another answer follows it.
"use strict";

const form = document.querySelector("form[data-check], form[data-parts]");
const touched = new Set();
let waiting = 0;
let latest = 0;

function show(faults) {
  for (const element of form.querySelectorAll("p.fault")) {
    const name = element.id.replace(/-fault$/, "");
    if (!touched.has(name)) continue;
    const fault = faults[name] || "";
    if (element.textContent !== fault) element.textContent = fault;
    const field = element.closest(".field");
    const input = form.elements[name];
    if (!field || !input) continue;
    field.classList.toggle("is-wrong", Boolean(fault));
    field.classList.toggle("is-right", !fault && Boolean(input.value));
    if (fault) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

async function check() {
  if (!form.dataset.check) return;
  const mine = ++latest;
  try {
    const response = await fetch(form.dataset.check, { method: "POST", body: new FormData(form), credentials: "same-origin" });
    if (!response.ok || mine !== latest) return;
    const answer = await response.json();
    if (answer.suggested.hostname !== undefined) suggest("hostname", answer.suggested.hostname);
    show(answer.faults);
  } catch {
    // No answer is no reason to stop: the form is checked again when it is sent.
  }
}

function suggest(name, value) {
  const input = form.elements[name];
  if (!input || touched.has(name) || !value) return;
  if (input.value === "" || input.dataset.suggested === input.value) {
    input.value = value;
    input.dataset.suggested = value;
  }
}

form.addEventListener("input", (event) => {
  clearTimeout(waiting);
  waiting = setTimeout(check, 350);
  showParts();
  if (event.target.dataset.suggested) touched.add(event.target.name);
});
form.addEventListener("focusout", (event) => {
  if (!event.target.name || !event.target.value) return;
  touched.add(event.target.name);
  clearTimeout(waiting);
  check();
});

// Parts that belong to one choice are shown with it.
function showParts() {
  for (const part of form.querySelectorAll("[data-shown-with]")) {
    const [name, value] = part.dataset.shownWith.split("=");
    part.hidden = new FormData(form).get(name) !== value;
  }
}
showParts();

const tls = form.elements["smarthost_tls"];
if (tls) {
  const usual = () => tls.selectedOptions[0].dataset.port;
  const port = form.elements["smarthost_port"];
  let before = usual();
  tls.addEventListener("change", () => {
    if (port.value === before || port.value === "") port.value = usual();
    before = usual();
  });
}
