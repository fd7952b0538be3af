// For pages of other sites: <script type="module" src="https://TRIGGER/embed.js"></script> makes each
// <form data-wireflow-images> live, and each <img data-job="ID"> wait for its image. Both work on elements added later.

const HOME = new URL(import.meta.url).origin;
const FINAL = ["succeeded", "failed", "canceled"];
// The width and height in pixels of the images that stand for one that is not there yet, or that failed.
const PLACEHOLDERS = { "96x96": "waiting", "96x95": "failed" };
const MAX_ERRORS = 10; // in a row, in about three minutes
let errorCount = 0; // in the ids of errors: a page may have several forms
const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

/** Seconds until the next look: more as the job ages. */
const delay = (begin) => Math.min(Math.max((Date.now() - begin) / 20000, 2), 30);

// --- forms ---

function enliven(form) {
  const button = form.querySelector('button:not([type="button"], [type="reset"]), [type="submit"]');
  const label = button?.matches("input") ? "value" : "textContent";
  const result = element("div", { className: "wireflow-images" }), status = element("p");
  status.setAttribute("role", "status");
  result.append(status);
  form.after(result);
  let token = null; // a promise: the form token of the next request

  /** Send a request. Throws an Error; if the server rejects the request, with `status` and the name of the `field`. */
  async function send(path, options) {
    const target = form.getAttribute("action") ?? ""; // `form.action` may be a field of this name
    const response = await fetch(new URL(path, new URL(target, document.baseURI)), options);
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
          return { ...job, message: "The connection is lost. Trying again …" };
        });
      }
      token = null;
      if (job.status !== "succeeded") throw Object.assign(new Error(job.message), { status: 422 });
      status.textContent = job.message;
      result.append(imagesOf(job));
    } catch (error) {
      if (error.status < 500 || !data.has("formToken")) token = null; // else the next submit is the same request
      throw error instanceof TypeError ? new Error("The connection was lost. Please try again.") : error;
    }
  }

  function showError(field, text) {
    const control = field instanceof Element ? field : button, id = `wireflow-images-error-${(errorCount += 1)}`;
    const error = element("p", { id, className: "wireflow-images-error", textContent: text });
    error.style.fontWeight = "bold";
    error.setAttribute("role", "alert");
    describe(control, id);
    if (control !== button) control.setAttribute("aria-invalid", "true");
    (control.closest("label") ?? control).after(error);
    control.focus();
  }

  /** Set what describes a control, beside what the page has written itself. */
  function describe(control, id) {
    const own = (control.getAttribute("aria-describedby") ?? "").split(/\s+/);
    const ids = own.filter((one) => one && !one.startsWith("wireflow-images-error")).concat(id ?? []);
    if (ids.length) control.setAttribute("aria-describedby", ids.join(" "));
    else control.removeAttribute("aria-describedby");
  }

  function clear() {
    for (const error of form.querySelectorAll(".wireflow-images-error")) error.remove();
    for (const control of form.querySelectorAll('[aria-describedby*="wireflow-images-error"]')) {
      describe(control);
      control.removeAttribute("aria-invalid");
    }
    result.replaceChildren(status);
  }

  form.addEventListener("input", () => (token ??= newToken().catch(() => (token = null))));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const words = button[label];
    clear();
    button.disabled = true;
    button[label] = status.textContent = "Sending…";
    const error = await submit().catch((reason) => reason);
    button.disabled = false;
    button[label] = words;
    if (error) {
      status.textContent = "";
      showError(form.elements[error.field] ?? button, error.message);
    }
    window.turnstile?.reset();
  });
}

/** All images of a job, side by side where there is room. */
function imagesOf({ images, altText }) {
  const grid = element("div"), columns = "repeat(auto-fit, minmax(min(20em, 100%), 1fr))";
  Object.assign(grid.style, { display: "grid", gap: "1em", gridTemplateColumns: columns });
  for (const { url, width, height } of images) {
    const size = width && height && { width, height };
    const image = element("img", { ...size, alt: altText, src: url });
    Object.assign(image.style, { maxWidth: "100%", height: "auto" });
    grid.append(image);
  }
  return grid;
}

// --- images ---

/** Show the image of a job in an <img> as soon as it is stored. `data-index`: which image of the job. */
async function wait(image) {
  const { job, index } = image.dataset, begin = Date.now();
  const url = `${HOME}/jobs/${job}/image${index ? `/${index}` : ""}`;
  image.setAttribute("aria-busy", "true");
  for (let state = "waiting", errors = 0; state === "waiting" && image.isConnected; ) {
    state = await look(url);
    errors = state === "error" ? errors + 1 : 0;
    if (state === "error") state = errors < MAX_ERRORS ? "waiting" : "failed";
    if (state === "waiting") await pause(Math.max(delay(begin), Math.min(2 ** errors, 30)));
    else show(image, url, state);
  }
  image.removeAttribute("aria-busy");
}

/** Show the image, or the one that says that it failed. A placeholder that is shown under this URL is replaced. */
function show(image, url, state) {
  image.src = image.src === url ? `${url}?${state}` : url;
  image.dispatchEvent(new CustomEvent(`wireflow-images:${state}`, { bubbles: true }));
}

/** Ask for the state of an image: "ready", "failed", "waiting", or "error". */
let readable = true; // only pages of FORM_ORIGINS may read responses; every page may load the image
async function look(url) {
  if (readable) try {
    const headers = { Accept: "application/json" };
    const { status, type } = await fetch(url, { method: "HEAD", headers, redirect: "manual" });
    if (status === 200 || type === "opaqueredirect") return "ready";
    return { 404: "failed", 409: "waiting", 410: "failed" }[status] ?? "error";
  } catch {
    readable = false;
  }
  return load(url);
}

const load = (url) => new Promise((done) => {
  const probe = new Image();
  probe.onload = () => done(PLACEHOLDERS[`${probe.naturalWidth}x${probe.naturalHeight}`] ?? "ready");
  probe.onerror = () => done("error");
  probe.src = `${url}?at=${Date.now()}`;
});

// --- the page ---

const known = new WeakSet();
function start() {
  for (const [selector, begin] of [["form[data-wireflow-images]", enliven], ["img[data-job]", wait]]) {
    for (const found of document.querySelectorAll(selector)) {
      if (known.has(found)) continue;
      known.add(found);
      begin(found);
    }
  }
}
start();
new MutationObserver(start).observe(document.body, { childList: true, subtree: true });
