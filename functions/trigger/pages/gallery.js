// The job that the playground shows, and the gallery: the jobs of this browser, which keeps their list.

import { DELETED, fetchJob, FINAL, follow } from "./job.js";
import { $, ask, element, local, pause, reveal, sendJson, tell, visible } from "./page.js";

const STORE = "wireflow-images-jobs", MAX_ENTRIES = 48;

/** The input images of the jobs that were created since the page was loaded, by the id of the job. */
export const files = new Map();

export function entries() {
  try {
    return [].concat(JSON.parse(local.getItem(STORE) ?? "[]"));
  } catch {
    return []; // written by something else
  }
}

function store(list) {
  try {
    local.setItem(STORE, JSON.stringify(list.slice(0, MAX_ENTRIES)));
  } catch {
    return; // it is full: the images are still at their URLs
  }
}

const without = (id) => entries().filter((one) => one.id !== id);

export function remember({ id, status }, fields, given) {
  if (given) files.set(id, given);
  store([{ id, prompt: fields.prompt, status, fields, file: Boolean(given) }, ...without(id)]);
}

document.addEventListener("wireflow-images:status", ({ detail: { job, status } }) => settle(job, status));

function settle(id, status) {
  const list = entries(), entry = list.find((one) => one.id === id);
  if (!entry || entry.status === status) return;
  entry.status = status;
  store(list);
  showGallery();
}

export async function forget() {
  const text = "The images are not deleted; they are only removed from this list.";
  if (!(await ask("Clear this list?", text, "Clear"))) return;
  store([]);
  showGallery();
}

// --- what is shown ---

const shown = () => $("#job .job")?.dataset.job;

/** Show a job and follow it. `focus`: whether to lead there, too. */
export async function show(id, focus) {
  const place = $("#job"), article = await fetchJob(id);
  reveal(article);
  place.className = "";
  place.replaceChildren(article);
  showGallery();
  if (focus) {
    $("#result").focus({ preventScroll: true });
    $("#result").scrollIntoView({ block: "nearest" });
  }
  settle(id, article.dataset.status);
  follow(place, article);
}

export async function openJob(id) {
  try {
    await show(id, true);
  } catch (error) {
    const deleted = [404, 410].includes(error.status);
    if (deleted) store(without(id));
    showGallery();
    await tell("This image cannot be shown", deleted ? DELETED : error.message);
  }
}

export function showGallery() {
  const list = entries(), focused = document.activeElement.closest("#gallery li a")?.pathname;
  $("#gallery").hidden = !list.length;
  $("#gallery ul").replaceChildren(...list.map(item));
  if (focused) $(`#gallery a[href="${focused}"]`)?.focus();
}

function item({ id, prompt, status }) {
  const one = element("li"), link = element("a", { href: `/jobs/${id}` });
  link.dataset.do = "open";
  if (id === shown()) link.setAttribute("aria-current", "true");
  const image = { loading: "lazy", decoding: "async", alt: prompt, src: `/jobs/${id}/image` };
  if (status === "succeeded") link.append(element("img", image));
  else for (const words of [prompt, { failed: "No image", canceled: "Canceled" }[status] ?? "In progress"]) {
    link.append(element("span", { textContent: words }));
  }
  one.append(link);
  return one;
}

/** Follow the jobs of the gallery that are not shown, one at a time. */
export async function watch() {
  for (let turn = 0; ; turn += 1) {
    await pause(5);
    await visible();
    const open = entries().filter(({ id, status }) => !FINAL.includes(status) && id !== shown());
    if (!open.length) continue;
    const { id } = open[turn % open.length];
    const gone = ({ status }) => ([404, 410].includes(status) ? "failed" : null);
    const status = await sendJson(`/jobs/${id}`).then((job) => job.status, gone);
    if (status) settle(id, status);
  }
}
