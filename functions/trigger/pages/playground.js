// The playground: its events, and what it does first.

import { file, form, removeInput, showInput } from "./composer.js";
import { loadWorkflows, showFields, showPrice } from "./fields.js";
import { entries, forget, openJob, show, showGallery, watch } from "./gallery.js";
import { FINAL, JOB_ACTIONS } from "./job.js";
import { $, fail, setToken, showError, startPage, storedToken } from "./page.js";
import { again, create, edit, use } from "./sending.js";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  create();
});
form.addEventListener("input", ({ target }) => {
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

// The links work on other pages and without JavaScript, too: they lead to the playground, or to the page of a job.
const openLink = ({ href }) => openQuery(new URL(href).searchParams);
const ACTIONS = {
  ...JOB_ACTIONS,
  remove: removeInput,
  forget,
  use: openLink, again: openLink, edit: openLink,
  open: (link) => openJob(link.pathname.split("/").pop()),
};

/** Do what the query of the playground asks for; without one, show the newest job if it is not final. */
async function openQuery(query) {
  const newest = entries()[0];
  if (query.has("fromJob")) await use(query.get("fromJob"), query.get("fromImage") ?? "0");
  else if (query.has("again")) await again(query.get("again"));
  else if (query.has("edit")) await edit(query.get("edit"));
  else if (newest && !FINAL.includes(newest.status)) await show(newest.id, false).catch(() => {});
}

async function start() {
  const query = new URLSearchParams(location.search), token = storedToken();
  if ($("#token") && token) $("#token").value = token;
  if (location.search) history.replaceState(null, "", "/");
  showGallery();
  await loadWorkflows();
  watch();
  await openQuery(query).catch(fail);
}

startPage(ACTIONS);
await start();
