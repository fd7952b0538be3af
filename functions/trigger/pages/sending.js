// From the form to a job, and from an earlier job back to the form. A request whose response was lost is sent again
// with the same key, and is paid once.

import { choices, collect, file, form, goToForm, inputFile, prompt, settings, takeInput } from "./composer.js";
import { dollars, showFields, workflowWithImage } from "./fields.js";
import { entries, files, remember, show } from "./gallery.js";
import { fetchJob } from "./job.js";
import { $, $$, announce, ask, pause, sendJson, session, showError, tell, UNKNOWN_TOKEN } from "./page.js";

const SENT = "wireflow-images-sent";
const LOST = "The connection was lost. Press the button again: it is the same request, and is paid once.";
const button = $(".primary", form);

/** Create a job from the form, and show it. */
export async function create() {
  if (button.disabled) return;
  setBusy(true);
  [button, ...$$("[aria-invalid]", form)].forEach((field) => showError(field, ""));
  try {
    await show(await createJob(), true);
    forgetKey();
  } catch (error) {
    if (error.status < 500) forgetKey(); // otherwise the job may be stored: the same key finds it
    reject(error);
  } finally {
    window.turnstile?.reset();
    setBusy(false);
    if (document.activeElement === document.body) button.focus();
  }
}

function setBusy(busy) {
  button.disabled = busy;
  button.textContent = busy ? "Sending…" : "Create image";
}

/** Send the form; return the id of the job, which is now in the gallery. */
async function createJob() {
  const { "cf-turnstile-response": _, ...kept } = collect(), given = inputFile();
  const job = await post({}, { "Idempotency-Key": (key ??= keyOf(kept, given)) });
  remember(job, kept, given);
  return job.id;
}

/** Send the form with `more` fields, among them a form token if this service needs one. */
async function post(more, headers) {
  const fields = { ...collect(), ...more }, given = inputFile(), body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  if (settings.formToken) {
    body.append("formToken", (await sendJson("/form-token")).formToken);
    await pause(3.5); // it is valid after three seconds
  }
  if (given) body.append("image1", given);
  return sendJson("/", { method: "POST", body, headers });
}

/** Show an error beside the field that it is about, or beside the button. */
function reject({ problem, message, status }) {
  const text = status === 401 ? UNKNOWN_TOKEN : status < 500 ? message : LOST;
  const field = status === 401 ? $("#token") : form.elements[problem?.field];
  const target = field?.id && !field.closest("[hidden]") ? field : button;
  showError(target, text);
  target.focus();
}

// --- the key ---

let key = null;
/** The form has changed: what is sent next is another request. */
const renewKey = () => (key = null);
form.addEventListener("input", renewKey);

const hex = (byte) => byte.toString(16).padStart(2, "0");
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map(hex).join("");

/** The key of a request: the same one if it was sent before a reload, which loses a file, and its response was lost. */
function keyOf(fields, given) {
  if (given) return newKey();
  const request = JSON.stringify(fields), [sent, sentKey] = JSON.parse(session.getItem(SENT) ?? "[]");
  const found = request === sent ? sentKey : newKey();
  session.setItem(SENT, JSON.stringify([request, found]));
  return found;
}

function forgetKey() {
  renewKey();
  session.removeItem(SENT);
}

// --- an earlier job ---

/** Make an image of a job the input image, with a workflow that accepts one. */
export async function use(fromJob, fromImage) {
  const other = file.disabled && workflowWithImage();
  if (other) showFields({ ...collect(), workflow: other.name });
  if (file.disabled) return tell("No workflow accepts an input image", "The operator of this service can add one.");
  takeInput(null, { fromJob, fromImage });
  announce("The image is now the input image.");
  goToForm();
}

/** Create an earlier image again: the form shows its fields, and nothing is sent before the price is confirmed. */
export async function again(id) {
  if (!(await edit(id))) return;
  try {
    const { estimatedCost, startsNow, queuePosition } = await post({ dryRun: "true" });
    const cost = estimatedCost ? `It costs about ${dollars(estimatedCost.amount)}.` : "Its price is not known.";
    const wait = queuePosition ? `It will be number ${queuePosition} in the queue.` : "It has to wait.";
    const text = `${cost} ${startsNow ? "It starts at once." : wait}`;
    if (await ask("Create this image again?", text, "Create it")) await create();
  } catch (error) {
    reject(error);
  }
}

/** Show the fields of an earlier job in the form, to be changed; false if its input image has to be chosen again. */
export async function edit(id) {
  const known = entries().find((one) => one.id === id);
  const { fields, file: needsFile } = known ?? JSON.parse((await fetchJob(id)).dataset.request);
  fill(fields, files.get(id));
  goToForm();
  if (!needsFile || file.disabled || files.has(id)) return true;
  showError(file, "Choose the input image again, then press the button.");
  file.focus();
  return false;
}

function fill({ fromJob, fromImage, ...fields }, given) {
  prompt.value = fields.prompt ?? "";
  for (const list of $$("select", choices)) {
    list.selectedIndex = Math.max([...list.options].findIndex((option) => option.defaultSelected), 0);
  }
  showFields(fields);
  takeInput(given, fromJob ? { fromJob, fromImage } : null);
}
