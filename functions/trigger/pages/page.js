// What every page does: it runs the actions of its buttons and links, and says what happens: aloud, in its dialog, and
// beside a field. Without JavaScript all pages are plain forms and links.

import { $, element, reveal } from "./browser.js";

/** Start a page. `actions`: what its buttons and links do, by their `data-do`. Other links lead to another page. */
export function startPage(actions) {
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-do]"), action = actions[target?.dataset.do];
    if (!action) return;
    if (target.matches("a")) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // it is opened in another tab or window
      event.preventDefault();
    }
    action(target)?.catch(fail);
  });
  reveal(document);
}

export function announce(text) {
  const live = $("#announce");
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

/** Ask in a dialog; true if the answer is yes. */
export function ask(title, text, yes, other = "Cancel") {
  const dialog = $("#ask");
  Object.assign($("button:not(.primary)", dialog), { textContent: other, hidden: !other });
  $("h2", dialog).textContent = title;
  $("p", dialog).textContent = text;
  $(".primary", dialog).textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

export const tell = (title, text) => ask(title, text, "OK", "");
export const fail = (error) => tell("That did not work", error.message);

/** Show an error beside a field; without a text remove it. */
export function showError(input, text) {
  const id = `${input.id}-error`, before = (input.getAttribute("aria-describedby") ?? "").split(" ");
  const described = before.filter((one) => one && one !== id);
  document.getElementById(id)?.remove();
  input.setAttribute("aria-describedby", [...described, ...(text ? [id] : [])].join(" "));
  input.removeAttribute("aria-invalid");
  if (!text) return;
  if (!input.matches("button")) input.setAttribute("aria-invalid", "true");
  const error = element("p", { id, className: "error", textContent: text });
  error.setAttribute("role", "alert");
  (input.closest(".field, .send") ?? input.parentElement).append(error);
}
