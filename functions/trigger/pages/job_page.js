// The page of a job, which may ask for the token of its caller.

import { follow, JOB_ACTIONS } from "./job.js";
import { $, $$, fetchPage, getToken, reveal, setToken, showError, startPage } from "./page.js";

/** Show a job to the owner of the token that is entered. */
async function unlock(event) {
  event.preventDefault();
  const form = event.target, input = $("input", form);
  setToken(input.value.trim());
  try {
    showPage(await fetchPage(location.pathname));
  } catch (error) {
    setToken(null);
    showError(input, error.message);
  }
}

/** Replace the whole page of a job, after the reader has become another one. */
function showPage(page) {
  reveal(page);
  document.title = page.title;
  $("main").replaceWith($("main", page));
  startJob();
}

function startJob() {
  const root = $("main"), article = $(".job");
  $$('form[data-do="unlock"]').forEach((form) => form.addEventListener("submit", unlock));
  if (article) follow(root, article);
}

startPage(JOB_ACTIONS);
if (!getToken()) startJob();
else fetchPage(location.pathname).then(showPage, startJob);
