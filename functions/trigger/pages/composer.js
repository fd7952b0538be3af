// The form of the playground: what it says, and the prompt with the ideas below it.

import { $, $$ } from "./browser.js";

/** What the server says about this playground. */
export const settings = $(".playground").dataset;

export const form = $("#composer"), prompt = $("#prompt"), choices = $("#choices"), file = $("#image1");

/** The fields as they are now, without the input image and those that are empty or have their default. */
export function collect() {
  const isDefault = (name) => form.elements[name]?.selectedOptions?.[0].defaultSelected;
  const texts = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value);
  const sent = Object.fromEntries(texts.filter(([name]) => !isDefault(name)));
  delete sent.token; // it is sent as a header
  return sent;
}

/** Lead to the form after it was filled in. */
export function goToForm() {
  form.scrollIntoView({ block: "start" });
  prompt.focus();
}

// --- the prompt ---------------------------------------------------------------------------------------------------

export function startPrompt() {
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  $("#hints").addEventListener("click", ({ target }) => {
    if (target.matches("button:not([aria-expanded])")) insert(target.textContent);
    else if (target.matches("button")) showIdeas(target);
  });
}

function insert(text) {
  const { selectionStart: start, selectionEnd: end, value } = prompt;
  const before = value.slice(0, start), gap = !before || /\s$/.test(before) ? "" : ", ";
  prompt.focus();
  prompt.setRangeText(gap + text, start, end, "end");
  const quoted = text.match(/“(.+)”/), at = start + gap.length + (quoted?.index ?? 0) + 1;
  if (quoted) prompt.setSelectionRange(at, at + quoted[1].length); // to type other words at once
  prompt.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Show the ideas of the kind that is chosen, and no others. */
function showIdeas(chosen) {
  for (const kind of $$("[aria-expanded]", chosen.parentElement)) {
    kind.setAttribute("aria-expanded", String(kind === chosen));
    document.getElementById(kind.getAttribute("aria-controls")).hidden = kind !== chosen;
  }
}
