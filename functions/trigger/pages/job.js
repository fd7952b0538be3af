// A job on a page, and what its buttons do. The server renders every job; this module asks for it again and replaces
// the parts that changed.

import { $, $$, announce, ask, element, fail, fetchPage, pause, reveal, send, tell, visible } from "./page.js";

export const FINAL = ["succeeded", "failed", "canceled"];
export const DELETED = "It was deleted.";

export const fetchJob = async (id) => $(".job", await fetchPage(`/jobs/${id}`));

/** Follow the job in `root` until it is final or no longer shown. */
export async function follow(root, article) {
  const begin = Date.now();
  let failures = 0;
  while (article.isConnected && !FINAL.includes(article.dataset.status)) {
    await pause(delay((Date.now() - begin) / 1000, failures));
    await visible();
    try {
      const page = await fetchPage(`/jobs/${article.dataset.job}`);
      if (article.isConnected) update(root, page);
      failures = 0;
    } catch (error) {
      failures += 1;
      const ended = { 401: error.message, 404: "This job no longer exists.", 410: DELETED }[error.status];
      if (ended || failures > 1) note(article, ended ?? "The connection is lost. Trying again …");
      if (ended) return;
    }
  }
  if (article.isConnected) report(article);
}

/** Seconds until the next look at a job: more as it ages, and after failures. */
const delay = (age, failures) => Math.max(age < 60 ? 1.5 : age < 600 ? 5 : 15, Math.min(2 ** failures, 30) - 1);

/** Replace the parts of `root` that differ in `page`. What is unchanged keeps focus, and is not read aloud again. */
function update(root, page) {
  reveal(page);
  for (const part of $$("[data-part]", page)) {
    const shown = $(`[data-part="${part.dataset.part}"]`, root);
    if (shown && shown.innerHTML !== part.innerHTML) shown.replaceChildren(...part.childNodes);
  }
  Object.assign($(".job", root).dataset, $(".job", page).dataset);
  if (root.matches("main")) document.title = page.title; // else it is a part of the playground
}

function note(article, text) {
  const message = $('[data-part="message"]', article);
  message.replaceChildren(element("span", { className: "lost", textContent: text }));
}

/** Tell the status of a job to the page, which may have a list of jobs. */
function report({ dataset }) {
  document.dispatchEvent(new CustomEvent("wireflow-images:status", { detail: dataset }));
}

// --- buttons ---

export const JOB_ACTIONS = {
  copy, share, retry,
  recopy: (button) => act(button, "/recopy", { method: "POST" }),
  cancel: (button) => act(button, "", { method: "DELETE" }),
};

async function copy(button) {
  const url = button.dataset.url, text = button.textContent;
  try {
    await navigator.clipboard.writeText(url);
    button.textContent = "Copied";
    announce("The URL is copied.");
    setTimeout(() => (button.textContent = text), 2000);
  } catch {
    await tell("Copy this URL", url);
  }
}

async function share(button) {
  if (!navigator.share) return copy(button);
  await navigator.share({ title: document.title, url: button.dataset.url }).catch(() => {});
}

async function retry(button) {
  const { attempt } = button.closest(".job").dataset, cost = button.dataset.cost;
  const price = cost ? `It costs about ${cost}.` : "Its price is not known.";
  if (!(await ask("Retry this job?", `A retry is a new paid run. ${price}`, "Retry"))) return;
  const body = JSON.stringify({ confirm: true, attempt: Number(attempt) });
  await act(button, "/retry", { method: "POST", body, headers: { "Content-Type": "application/json" } });
}

/** Send what the button stands for, then show the job as it is now and follow it. */
async function act(button, path, options) {
  const article = button.closest(".job"), root = article.parentElement, url = `/jobs/${article.dataset.job}`;
  button.disabled = true;
  try {
    await send(url + path, options);
  } catch (error) {
    await fail(error);
  }
  button.disabled = false;
  const page = await fetchPage(url);
  report($(".job", page));
  if (!article.isConnected) return; // another job is shown now
  update(root, page);
  await follow(root, article);
}
