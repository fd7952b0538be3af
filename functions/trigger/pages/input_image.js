// The input image: a file that is chosen, pasted, or dropped, or an image of an earlier job.

import { $ } from "./browser.js";
import { file, form } from "./composer.js";
import { showError } from "./page.js";

const MAX_FILE = 25 * 1024 * 1024;
let source = null; // the image of an earlier job: `fromJob` and `fromImage`

/** The file to send; none if the workflow has no input image. */
export const inputFile = () => (file.disabled ? undefined : file.files[0]);

/** The fields that name the image of an earlier job. */
export const inputSource = () => (file.disabled ? {} : source);

export function startInputImage() {
  file.disabled = $("#image-field").hidden;
  $("#chooser").classList.add("live");
  document.addEventListener("paste", paste);
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) form.addEventListener(kind, drag);
}

function paste(event) {
  const given = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (!given || file.disabled) return;
  event.preventDefault();
  takeInput(given);
}

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
}

export function removeInput() {
  takeInput(null, null);
  file.focus();
}

/** Show the input image: a file, or an image of an earlier job. */
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
