// The next image from an earlier job: with its image as the input, or from its request, changed or not.

import { $, $$ } from "./browser.js";
import { choices, collect, file, goToForm, prompt } from "./composer.js";
import { dollars, showFields, workflowWithImage } from "./fields.js";
import { entries, files } from "./gallery.js";
import { takeInput } from "./input_image.js";
import { announce, ask, showError, tell } from "./page.js";
import { fetchPage } from "./requests.js";
import { create, quote, reject, renewKey } from "./sending.js";

/** Make an image of a job the input image, with a workflow that accepts one. */
export async function use(fromJob, fromImage) {
  const other = file.disabled && workflowWithImage();
  if (other) showFields({ ...collect(), workflow: other.name });
  if (file.disabled) return tell("No workflow accepts an input image", "The operator of this service can add one.");
  renewKey();
  takeInput(null, { fromJob, fromImage });
  announce("The image is now the input image.");
  goToForm();
}

/** Create an earlier image again: the form shows its fields, and nothing is sent before the price is confirmed. */
export async function again(id) {
  if (!(await edit(id))) return;
  try {
    if (await ask("Create this image again?", inWords(await quote()), "Create it")) await create();
  } catch (error) {
    reject(error);
  }
}

/** Show the fields of an earlier job in the form, to be changed; false if its input image has to be chosen again. */
export async function edit(id) {
  const { fields, file: needsFile } = entries().find((one) => one.id === id) ?? (await requestOf(id));
  fill(fields, files.get(id));
  goToForm();
  const complete = !needsFile || file.disabled || files.has(id);
  if (!complete) showError(file, "Choose the input image again, then press the button.");
  if (!complete) file.focus();
  return complete;
}

/** What a job of another browser was created from, as far as its page tells. */
const requestOf = async (id) => JSON.parse($(".job", await fetchPage(`/jobs/${id}`)).dataset.request);

function fill({ fromJob, fromImage, ...fields }, given) {
  prompt.value = fields.prompt ?? "";
  for (const list of $$("select", choices)) {
    list.selectedIndex = Math.max([...list.options].findIndex((option) => option.defaultSelected), 0);
  }
  showFields(fields);
  takeInput(given, fromJob ? { fromJob, fromImage } : null);
  renewKey();
}

/** What a quote says. */
function inWords({ estimatedCost, startsNow, queuePosition }) {
  const cost = estimatedCost ? `It costs about ${dollars(estimatedCost.amount)}` : "Its price is not known";
  if (startsNow) return `${cost}. It starts at once.`;
  return `${cost}. ${queuePosition ? `It will be number ${queuePosition} in the queue.` : "It has to wait."}`;
}
