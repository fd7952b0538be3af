// From the form to a job. A request whose response was lost is sent again with the same key, and is paid once.

import { $, $$, pause, session } from "./browser.js";
import { collect, form, settings } from "./composer.js";
import { remember } from "./gallery.js";
import { inputFile, inputSource } from "./input_image.js";
import { showError } from "./page.js";
import { sendJson, UNKNOWN_TOKEN } from "./requests.js";
import { show } from "./result.js";

const SENT = "wireflow-images-sent";
const LOST = "The connection was lost. Press the button again: it is the same request, and is paid once.";
const button = $(".primary", form);
let key = null, busy = false;

/** Create a job from the form, and show it. */
export async function create() {
  if (busy) return;
  const fields = allFields(), given = inputFile();
  setBusy(true);
  [button, ...$$("[aria-invalid]", form)].forEach((field) => showError(field, ""));
  try {
    await show(await post(fields, given), true);
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

/** What the request would cost, and when it would start. */
export async function quote() {
  const body = bodyOf(allFields(), inputFile(), { dryRun: "true", ...(await credential()) });
  return sendJson("/", { method: "POST", body });
}

const allFields = () => ({ ...collect(), ...inputSource() });

function setBusy(value) {
  busy = button.disabled = value;
  button.textContent = value ? "Sending…" : "Create image";
}

/** Send the request; return the id of the job, which is now in the gallery. */
async function post(fields, given) {
  const { "cf-turnstile-response": _, ...kept } = fields;
  key ??= keyOf(kept, given);
  const more = await credential();
  const headers = { "Idempotency-Key": key };
  const job = await sendJson("/", { method: "POST", body: bodyOf(fields, given, more), headers });
  remember(job, kept, given);
  return job.id;
}

function bodyOf(fields, given, more) {
  const body = new FormData();
  for (const [name, value] of Object.entries({ ...fields, ...more })) body.append(name, value);
  if (given) body.append("image1", given);
  return body;
}

/** The form token that a request needs here, if it does. */
async function credential() {
  if (!settings.formToken) return {};
  const { formToken } = await sendJson("/form-token");
  await pause(3.5); // it is valid after three seconds
  return { formToken };
}

/** Show an error beside the field that it is about, or beside the button. */
export function reject({ problem, message, status }) {
  const text = status === 401 ? UNKNOWN_TOKEN : status < 500 ? message : LOST;
  const field = status === 401 ? $("#token") : form.elements[problem?.field];
  const target = field?.id && !field.closest("[hidden]") ? field : button;
  showError(target, text);
  target.focus();
}

// --- the key ------------------------------------------------------------------------------------------------------

const hex = (byte) => byte.toString(16).padStart(2, "0");
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map(hex).join("");

/** The key of a request: the same one if it was sent before the page was reloaded, and its response was lost. */
function keyOf(fields, given) {
  const request = JSON.stringify(fields), [sent, sentKey] = JSON.parse(session.getItem(SENT) ?? "[]");
  const found = request === sent && !given ? sentKey : newKey();
  session.setItem(SENT, JSON.stringify([request, found]));
  return found;
}

/** The form has changed: what is sent next is another request. */
export function renewKey() {
  key = null;
}

function forgetKey() {
  key = null;
  session.removeItem(SENT);
}
