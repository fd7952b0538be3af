// The playground: it makes the form live, and shows the jobs below it.

import { $ } from "./browser.js";
import { file, form, settings, startPrompt } from "./composer.js";
import { again, edit, use } from "./earlier_job.js";
import { fetchWorkflows, showFields, showPrice } from "./fields.js";
import { entries, forget, settle, showGallery, watch } from "./gallery.js";
import { removeInput, showInput, startInputImage } from "./input_image.js";
import { FINAL, JOB_ACTIONS } from "./job.js";
import { fail, showError, startPage } from "./page.js";
import { getToken, setToken, storedToken, UNKNOWN_TOKEN } from "./requests.js";
import { open, show } from "./result.js";
import { create, renewKey } from "./sending.js";

// --- events -------------------------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => {
  event.preventDefault();
  create();
});
form.addEventListener("input", ({ target }) => {
  renewKey();
  if (target.id !== "image1" && target.hasAttribute("aria-invalid")) showError(target, "");
});
form.addEventListener("change", ({ target }) => {
  if (target.id === "token") {
    setToken(null); // until it is accepted
    loadWorkflows();
  } else if (target === file) showInput();
  else if (["workflow", "model"].includes(target.name)) showFields();
  else showPrice();
});
document.addEventListener("wireflow-images:status", ({ detail: { id, status } }) => settle(id, status));

// The links work on other pages and without JavaScript, too: they lead to the playground, or to the page of a job.
const asked = (link) => new URL(link.href).searchParams;
const ACTIONS = {
  ...JOB_ACTIONS,
  remove: removeInput,
  forget,
  use: (link) => use(asked(link).get("fromJob"), asked(link).get("fromImage")),
  again: (link) => again(asked(link).get("again")),
  edit: (link) => edit(asked(link).get("edit")),
  open: (link) => open(link.pathname.split("/").pop()),
};

// --- the token and the workflows ----------------------------------------------------------------------------------

/** Ask for the workflows, which also tells whether the token is accepted. Visitors of a form may not list them. */
async function loadWorkflows() {
  const token = $("#token");
  if (token ? !getToken() : !settings.open) return;
  try {
    await fetchWorkflows();
  } catch (error) {
    if (token) showError(token, error.status === 401 ? UNKNOWN_TOKEN : error.message);
    return;
  }
  if (token) acceptToken(token);
  showFields();
}

function acceptToken(input) {
  setToken(getToken());
  showError(input, "");
  $("#token-hint").textContent = "Accepted. It stays in this browser tab.";
}

// --- the start ----------------------------------------------------------------------------------------------------

async function start() {
  const query = new URLSearchParams(location.search), token = storedToken();
  if ($("#token") && token) $("#token").value = token;
  if (location.search) history.replaceState(null, "", "/");
  showGallery();
  await loadWorkflows();
  const newest = entries()[0];
  watch();
  if (query.has("fromJob")) await use(query.get("fromJob"), query.get("fromImage") ?? "0");
  else if (query.has("again")) await again(query.get("again")).catch(fail);
  else if (query.has("edit")) await edit(query.get("edit")).catch(fail);
  else if (newest && !FINAL.includes(newest.status)) await show(newest.id, false).catch(() => {});
}

startPrompt();
startInputImage();
startPage(ACTIONS);
await start();
