// What both pages need: the document, storage, requests with the token of the reader, and what is told and asked.
// Without JavaScript all pages are plain forms and links.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const element = (tag, properties) => Object.assign(document.createElement(tag), properties);

/** Show what is hidden without JavaScript. */
export const reveal = (root) => $$("[data-js]", root).forEach((one) => (one.hidden = false));

export const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

/** Wait until the tab is in the foreground. */
export const visible = () => document.visibilityState === "visible" || new Promise((done) =>
  document.addEventListener("visibilitychange", done, { once: true }));

/** A storage of the browser, or one that ends with the page where the browser allows none. */
function storage(name) {
  try {
    return window[name];
  } catch {
    const kept = new Map();
    const [getItem, setItem, removeItem] = ["get", "set", "delete"].map((action) => kept[action].bind(kept));
    return { getItem, setItem, removeItem };
  }
}
export const session = storage("sessionStorage"), local = storage("localStorage");

// --- requests ---

const TOKEN = "wireflow-images-token";
const UNREACHABLE = "The service cannot be reached. Check the connection, and try again.";
const UNAVAILABLE = "The service is not available. Try again in a minute.";
export const UNKNOWN_TOKEN = "This token is not accepted. Check it, or ask the operator of this service for one.";

export const storedToken = () => session.getItem(TOKEN);
export const getToken = () => $("#composer #token")?.value.trim() || storedToken();
export const setToken = (text) => (text ? session.setItem(TOKEN, text) : session.removeItem(TOKEN));

/** Send a request with the token, if there is one. Throws an Error with `problem` if the server rejects it. */
export async function send(path, { headers, ...options } = {}) {
  const token = getToken(), authorization = token && { Authorization: `Bearer ${token}` };
  const all = { Accept: "application/json", ...authorization, ...headers };
  const response = await fetch(path, { ...options, headers: all }).catch(() => Promise.reject(new Error(UNREACHABLE)));
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ detail: UNAVAILABLE }));
  throw Object.assign(new Error(problem.detail), { problem, status: response.status });
}

export const sendJson = async (path, options) => (await send(path, options)).json();

/** The page of a job as the server renders it now, as a document. */
export async function fetchPage(path) {
  const response = await send(path, { headers: { Accept: "text/html" } }).catch((error) => {
    throw error.status === 401 ? Object.assign(new Error("This token does not open the job."), error) : error;
  });
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// --- buttons, the dialog, and errors ---

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
  input.setAttribute("aria-describedby", described.concat(text ? id : []).join(" "));
  input.removeAttribute("aria-invalid");
  if (!text) return;
  if (!input.matches("button")) input.setAttribute("aria-invalid", "true");
  const error = element("p", { id, className: "error", textContent: text });
  error.setAttribute("role", "alert");
  (input.closest(".field, .send") ?? input.parentElement).append(error);
}
