// The form of the playground: its prompt with the ideas below it, and its input image.

import { $, $$, showError } from "./page.js";

export const settings = $(".playground").dataset;

export const form = $("#composer"), prompt = $("#prompt"), choices = $("#choices"), file = $("#image1");
const MAX_FILE = 25 * 1024 * 1024;
let source = null; // the input image, if it is one of an earlier job: `fromJob` and `fromImage`

/** The fields as they are now, without a file and those that are empty or have their default. */
export function collect() {
  const isDefault = (name) => form.elements[name]?.selectedOptions?.[0].defaultSelected;
  const texts = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value);
  const sent = Object.fromEntries(texts.filter(([name]) => !isDefault(name)));
  delete sent.token; // it is sent as a header
  return file.disabled ? sent : { ...sent, ...source };
}

/** The file to send; none if the workflow has no input image. */
export const inputFile = () => (file.disabled ? undefined : file.files[0]);

/** Lead to the form after it was filled in. */
export function goToForm() {
  form.scrollIntoView({ block: "start" });
  prompt.focus();
}

// --- the prompt ---

prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
$("#hints").addEventListener("click", ({ target }) => {
  if (target.matches("button:not([aria-expanded])")) insert(target.textContent);
  else if (target.matches("button")) showIdeas(target);
});

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

// --- the input image ---

file.disabled = $("#image-field").hidden;
$("#chooser").classList.add("live");
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) form.addEventListener(kind, drag);
document.addEventListener("paste", (event) => {
  const given = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (!given || file.disabled) return;
  event.preventDefault();
  takeInput(given);
});

function drag(event) {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault(); // else the browser leaves the page to show the file
  if (file.disabled) return;
  $("#drop").classList.toggle("over", event.type.startsWith("drage") || event.type === "dragover");
  if (event.type === "drop") takeInput(event.dataTransfer.files[0]);
}

/** Take a file as the input image, or else the image of an earlier job. */
export function takeInput(given, earlier = source) {
  const list = new DataTransfer();
  if (given) list.items.add(given);
  file.files = list.files;
  source = earlier;
  showInput();
  file.dispatchEvent(new Event("input", { bubbles: true }));
}

export function removeInput() {
  takeInput(null, null);
  file.focus();
}

export function showInput() {
  const given = file.files[0], fault = given && faultOf(given);
  showError(file, fault);
  if (fault) file.value = "";
  else if (given) source = null;
  if (given && !fault) preview(URL.createObjectURL(given), given.name);
  else if (source) preview(`/jobs/${source.fromJob}/image/${source.fromImage}`, "An image of an earlier job");
  else preview("");
}

function faultOf({ type, size }) {
  if (!type.startsWith("image/")) return "This file is not an image. Choose a PNG, JPEG, WebP, GIF, or AVIF file.";
  return size > MAX_FILE ? "This file is larger than 25 MiB. Choose a smaller one." : "";
}

function preview(url, name) {
  const shown = $("#input");
  shown.hidden = !url;
  $("#chooser").hidden = Boolean(url);
  if (!url) return;
  $("img", shown).src = url;
  $("span", shown).textContent = name;
}
