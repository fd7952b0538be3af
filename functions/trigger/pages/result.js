// The job that the playground shows.

import { $, reveal } from "./browser.js";
import { removeEntry, settle, showGallery } from "./gallery.js";
import { DELETED, follow } from "./job.js";
import { tell } from "./page.js";
import { fetchPage } from "./requests.js";

/** Show a job and follow it. `focus`: whether to lead there, too. */
export async function show(id, focus) {
  const place = $("#job"), article = $(".job", await fetchPage(`/jobs/${id}`));
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

/** Show a job of the gallery. */
export async function open(id) {
  try {
    await show(id, true);
  } catch (error) {
    const deleted = [404, 410].includes(error.status);
    if (deleted) removeEntry(id);
    showGallery();
    await tell("This image cannot be shown", deleted ? DELETED : error.message);
  }
}
