// What every module needs of the browser: the document, the time, and storage.

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
