// For pages of other sites: <script type="module" src="https://TRIGGER/embed.js"></script> makes each
// <form data-wireflow-images> live, and each <img data-job="ID"> wait for its image. Both work on elements added later.

const HOME = new URL(import.meta.url).origin;
const FINAL = ["succeeded", "failed", "canceled"];
const PLACEHOLDER = 96; // pixels: the width and height of the image that stands for one that is not there yet
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

/** Seconds until the next look: more as the job ages. */
const delay = (begin) => Math.min(Math.max((Date.now() - begin) / 20000, 2), 30);

// --- forms --------------------------------------------------------------------------------------------------------

function enliven(form) {
  const button = form.querySelector('button:not([type="button"]), [type="submit"]');
  const result = document.createElement("div"), status = document.createElement("p");
  result.className = "wireflow-images";
  status.setAttribute("role", "status");
  result.append(status);
  form.after(result);
  let token = null; // a promise: the form token of the next request

  /** Send a request. Throws an Error; if the server rejects the request, with `status` and the name of the `field`. */
  async function send(path, options) {
    const response = await fetch(new URL(path, form.action), options);
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    const text = body.detail ?? "The service is not available at the moment. Please try again.";
    throw Object.assign(new Error(text), { status: response.status, field: body.field });
  }

  /** Get a form token, which is valid after 3 seconds. It identifies the request: sent twice, it is one job. */
  const newToken = () => send("/form-token").then((body) => pause(3.5).then(() => body.formToken));

  async function submit() {
    const data = new FormData(form);
    try {
      data.set("formToken", await (token ??= newToken()));
      let job = await send("/", { method: "POST", body: data, headers: { Accept: "application/json" } });
      const begin = Date.now();
      while (!FINAL.includes(job.status)) {
        status.textContent = job.message;
        await pause(delay(begin));
        job = await send(`/jobs/${job.id}`).catch((error) => {
          if (error.status < 500) throw error;
          return job; // the connection was lost: look again
        });
      }
      token = null;
      if (job.status !== "succeeded") throw Object.assign(new Error(job.message), { status: 422 });
      status.textContent = job.message;
      result.append(imagesOf(job));
    } catch (error) {
      if (error.status < 500 || !data.has("formToken")) token = null; // else the next submit is the same request
      const lost = error instanceof TypeError ? "The connection was lost. Please try again." : error.message;
      showError(form.elements[error.field] ?? button, lost);
    }
  }

  function showError(field, text) {
    const error = document.createElement("p"), control = field instanceof Element ? field : button;
    error.id = `wireflow-images-error-${control.name || "form"}`;
    error.className = "wireflow-images-error";
    error.textContent = text;
    error.style.fontWeight = "bold";
    error.setAttribute("role", "alert");
    control.setAttribute("aria-describedby", error.id);
    if (control !== button) control.setAttribute("aria-invalid", "true");
    (control.closest("label") ?? control).after(error);
  }

  function clear() {
    form.querySelectorAll(".wireflow-images-error").forEach((error) => {
      const control = form.querySelector(`[aria-describedby="${error.id}"]`);
      control?.removeAttribute("aria-describedby");
      control?.removeAttribute("aria-invalid");
      error.remove();
    });
    result.replaceChildren(status);
  }

  form.addEventListener("input", () => (token ??= newToken().catch(() => (token = null))));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const words = button.textContent;
    clear();
    button.disabled = true;
    button.textContent = status.textContent = "Sending…";
    await submit();
    button.disabled = false;
    button.textContent = words;
    const error = form.querySelector(".wireflow-images-error");
    if (error) status.textContent = "";
    if (error) form.querySelector(`[aria-describedby="${error.id}"]`).focus();
    window.turnstile?.reset();
  });
}

/** All images of a job, side by side where there is room. */
function imagesOf({ images, altText }) {
  const grid = document.createElement("div");
  const columns = "repeat(auto-fit, minmax(min(20em, 100%), 1fr))";
  Object.assign(grid.style, { display: "grid", gap: "1em", gridTemplateColumns: columns });
  for (const { url, width, height } of images) {
    const image = new Image();
    if (width && height) Object.assign(image, { width, height });
    Object.assign(image, { alt: altText, src: url });
    Object.assign(image.style, { maxWidth: "100%", height: "auto" });
    grid.append(image);
  }
  return grid;
}

// --- images -------------------------------------------------------------------------------------------------------

/** Show the image of a job in an <img> as soon as it is stored. `data-index`: which image of the job. */
async function wait(image) {
  const { job, index } = image.dataset, begin = Date.now();
  const url = `${HOME}/jobs/${job}/image${index ? `/${index}` : ""}`;
  image.setAttribute("aria-busy", "true");
  for (let state = "waiting"; state === "waiting" && image.isConnected; ) {
    state = await look(url);
    if (state === "ready") image.src = url;
    if (state === "waiting") await pause(delay(begin));
    else image.dispatchEvent(new CustomEvent(`wireflow-images:${state}`, { bubbles: true }));
  }
  image.removeAttribute("aria-busy");
}

/** Ask for the state of an image: "ready", "failed", or "waiting". */
let readable = true; // only pages of FORM_ORIGINS may read responses; every page may load the image
async function look(url) {
  if (readable) try {
    const headers = { Accept: "application/json" };
    const { status, type } = await fetch(url, { method: "HEAD", headers, redirect: "manual" });
    if (status === 200 || type === "opaqueredirect") return "ready";
    return [404, 410].includes(status) ? "failed" : "waiting";
  } catch {
    readable = false;
  }
  return size(url);
}

const size = (url) => new Promise((done) => {
  const probe = new Image();
  const isPlaceholder = () => probe.naturalWidth === PLACEHOLDER && probe.naturalHeight === PLACEHOLDER;
  probe.onload = () => done(isPlaceholder() ? "waiting" : "ready");
  probe.onerror = () => done("waiting");
  probe.src = `${url}?at=${Date.now()}`;
});

// --- the page -----------------------------------------------------------------------------------------------------

const known = new WeakSet();
function start(root) {
  for (const [selector, begin] of [["form[data-wireflow-images]", enliven], ["img[data-job]", wait]]) {
    for (const element of root.querySelectorAll(selector)) {
      if (known.has(element)) continue;
      known.add(element);
      begin(element);
    }
  }
}
start(document);
new MutationObserver(() => start(document)).observe(document.body, { childList: true, subtree: true });
