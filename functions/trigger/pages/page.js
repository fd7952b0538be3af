// The playground and the page of a job. The server renders every job; this module asks for it again and replaces the
// parts that changed. Without it both pages are plain forms and links.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const FINAL = ["succeeded", "failed", "canceled"];
const LABELS = { aspect_ratio: "Aspect ratio", resolution: "Resolution", model: "Model" };
const MAX_FILE = 25 * 1024 * 1024, MAX_GALLERY = 48;

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
const session = storage("sessionStorage"), local = storage("localStorage");

// --- requests ---------------------------------------------------------------------------------------------------

const TOKEN = "wireflow-images-token", SENT = "wireflow-images-sent";
const getToken = () => $("#composer #token")?.value.trim() || session.getItem(TOKEN);
const setToken = (text) => (text ? session.setItem(TOKEN, text) : session.removeItem(TOKEN));

/** Send a request with the token, if there is one. Throws an Error with `problem` if the server rejects it. */
async function send(path, { headers = {}, ...options } = {}) {
  const token = getToken(), authorization = token ? { Authorization: `Bearer ${token}` } : {};
  const all = { Accept: "application/json", ...authorization, ...headers };
  const response = await fetch(path, { ...options, headers: all }).catch(() => Promise.reject(new Error(UNREACHABLE)));
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ detail: UNAVAILABLE }));
  throw Object.assign(new Error(problem.detail), { problem, status: response.status });
}
const sendJson = async (path, options) => (await send(path, options)).json();
const UNKNOWN_TOKEN = "This token is not accepted. Check it, or ask the operator of this service for one.";
const LOST = "The connection was lost. Press the button again: it is the same request, and is paid once.";
const DELETED = "It was deleted.";
const UNREACHABLE = "The service cannot be reached. Check the connection, and try again.";
const UNAVAILABLE = "The service is not available. Try again in a minute.";
const hex = (byte) => byte.toString(16).padStart(2, "0");
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map(hex).join("");
const dollars = (amount) => `$${Number(amount.toFixed(4)).toString().replace(/^(\d+\.\d)$/, "$10")}`;

/** The page of a job as the server renders it now, as a document. */
async function fetchPage(path) {
  const response = await send(path, { headers: { Accept: "text/html" } }).catch((error) => {
    throw error.status === 401 ? Object.assign(new Error("This token does not open the job."), error) : error;
  });
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// --- a job ------------------------------------------------------------------------------------------------------

const reveal = (root) => $$("[data-js]", root).forEach((element) => (element.hidden = false));

/** Replace the parts of `root` that differ in `page`. What is unchanged keeps focus, and is not read aloud again. */
function update(root, page) {
  reveal(page);
  for (const part of $$("[data-part]", page)) {
    const shown = $(`[data-part="${part.dataset.part}"]`, root);
    if (shown && shown.innerHTML !== part.innerHTML) shown.replaceChildren(...part.childNodes);
  }
  Object.assign($(".job", root).dataset, $(".job", page).dataset);
  if (!playground) document.title = page.title;
}

const visible = () => document.visibilityState === "visible" || new Promise((done) =>
  document.addEventListener("visibilitychange", done, { once: true }));

/** Seconds until the next look at a job: more as it ages, and after failures. */
const delay = (age, failures) => Math.max(age < 60 ? 1.5 : age < 600 ? 5 : 15, Math.min(2 ** failures, 30) - 1);

/** Follow the job in `root` until it is final or no longer shown. */
async function follow(root, article, whenFinal = () => {}) {
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
  if (article.isConnected) whenFinal(article.dataset.status);
}

function note(article, text) {
  const message = $('[data-part="message"]', article);
  message.replaceChildren(Object.assign(document.createElement("span"), { className: "lost", textContent: text }));
}

function announce(text) {
  const live = $("#announce");
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

/** Ask in a dialog; true if the answer is yes. */
function ask(title, text, yes, other = "Cancel") {
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

const tell = (title, text) => ask(title, text, "OK", "");
const fail = (error) => tell("That did not work", error.message);

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
  const { job, attempt } = button.closest(".job").dataset, cost = button.dataset.cost;
  const price = cost ? `It costs about ${cost}.` : "Its price is not known.";
  if (!(await ask("Retry this job?", `A retry is a new paid run. ${price}`, "Retry"))) return;
  const body = JSON.stringify({ confirm: true, attempt: Number(attempt) });
  await act(button, `/jobs/${job}/retry`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
}

const recopy = (button) => act(button, `/jobs/${button.closest(".job").dataset.job}/recopy`, { method: "POST" });
const cancel = (button) => act(button, `/jobs/${button.closest(".job").dataset.job}`, { method: "DELETE" });

/** Send what a button of a job stands for, then show the job as it is now and follow it. */
async function act(button, path, options) {
  const article = button.closest(".job"), root = article.parentElement;
  button.disabled = true;
  try {
    await send(path, options);
  } catch (error) {
    await fail(error);
  }
  button.disabled = false;
  update(root, await fetchPage(`/jobs/${article.dataset.job}`));
  playground?.settle(article.dataset.job, article.dataset.status);
  await follow(root, article, (status) => playground?.settle(article.dataset.job, status));
}

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
  if (!article) return;
  follow(root, article);
}

/** Show an error beside a field; without a text remove it. */
function showError(input, text) {
  const id = `${input.id}-error`, before = (input.getAttribute("aria-describedby") ?? "").split(" ");
  const described = before.filter((one) => one && one !== id);
  document.getElementById(id)?.remove();
  input.setAttribute("aria-describedby", [...described, ...(text ? [id] : [])].join(" "));
  input.removeAttribute("aria-invalid");
  if (!text) return;
  if (!input.matches("button")) input.setAttribute("aria-invalid", "true");
  const error = Object.assign(document.createElement("p"), { id, className: "error", textContent: text });
  error.setAttribute("role", "alert");
  (input.closest(".field, .send") ?? input.parentElement).append(error);
}

// --- the playground -----------------------------------------------------------------------------------------------

function createPlayground(main) {
  const form = $("#composer"), prompt = $("#prompt"), button = $(".primary", form), price = $("#price");
  const file = $("#image1"), preview = $("#input"), choices = $("#choices"), place = $("#job");
  const models = JSON.parse(main.dataset.models), files = new Map();
  let workflows = [], key = null, source = null, busy = false;
  file.disabled = $("#image-field").hidden;
  $("#chooser").classList.add("live");

  // --- the fields of the chosen workflow

  const chosen = () => workflows.find((one) => one.name === form.elements.workflow?.value) ?? workflows[0];

  /** Ask for the workflows, which also tells whether the token is accepted. Visitors of a form may not list them. */
  async function loadWorkflows() {
    const token = $("#token");
    if (token ? !getToken() : !main.dataset.open) return;
    try {
      workflows = (await sendJson("/workflows")).workflows;
    } catch (error) {
      if (token) showError(token, error.status === 401 ? UNKNOWN_TOKEN : error.message);
      return;
    }
    if (token) acceptToken(token);
    showFields();
  }

  function acceptToken(input) {
    setToken(getToken());
    showError(input, "");
    $("#token-hint").textContent = "Accepted. It stays in this browser tab.";
  }

  /** Show the fields of the workflow that `values` name, with these values. */
  function showFields(values = collect()) {
    const flow = workflows.find((one) => one.name === values.workflow) ?? chosen();
    if (flow) replaceFields(flow, values.model);
    for (const [name, value] of Object.entries(values)) {
      const control = form.elements[name];
      if (choices.contains(control)) set(control, value);
    }
    showPrice();
  }

  function replaceFields(flow, model) {
    const names = workflows.map((one) => [one.name, one.name]);
    const first = names.length > 1 ? [select("workflow", "Workflow", names)] : [];
    choices.replaceChildren(...first, ...fieldsOf(flow, models[model || flow.model]));
    if (first.length) form.elements.workflow.value = flow.name;
    file.disabled = $("#image-field").hidden = !takesImage(flow);
  }

  const takesImage = ({ fields }) => !fields || fields.some((field) => field.name === "image1");

  /** The fields beside the prompt and the image. A webhook gets every field, whether it has such an input or not. */
  function fieldsOf(flow, model) {
    const defaults = { aspect_ratio: flow.aspectRatio, resolution: flow.resolution, model: flow.model };
    const fields = flow.fields ?? ["aspect_ratio", "resolution"].map((name) => ({ name, type: "select" }));
    return fields.filter(({ name }) => !["prompt", "image1", "image2", "image3"].includes(name)).flatMap((field, number) => {
      if (flow.mode === "run" || !LABELS[field.name]) return [input(field, number)];
      const values = valuesOf(field.name, flow, model), standard = defaults[field.name];
      const priced = (value) => (field.name === "resolution" && priceOf(flow, value, model)) || [];
      const options = [...(standard ? [] : [""]), ...values].map((value) => {
        return [value, [value || "Default"].concat(priced(value)).join(", ")];
      });
      return values.length ? [select(field.name, LABELS[field.name], options, standard)] : [];
    });
  }

  /** The values of a choice. */
  function valuesOf(name, flow, model) {
    const known = Object.values(models), fewest = Math.min(...known.map((one) => one.aspectRatios.length));
    if (name === "model") return Object.keys(models);
    if (name === "resolution") return model?.resolutions ?? Object.keys(Object(flow.pricePerImage));
    return (model ?? known.find((one) => one.aspectRatios.length === fewest)).aspectRatios;
  }

  function select(name, label, options, standard) {
    const list = Object.assign(document.createElement("select"), { id: name, name });
    list.append(...options.map(([value, text]) => new Option(text, value, value === standard, value === standard)));
    return labeled(label, list);
  }

  function input({ name, type, required }, number) {
    const kind = { number: "number", boolean: "checkbox", url: "url", image: "url" }[type] ?? "text";
    const field = Object.assign(document.createElement("input"), { id: `field-${number}`, name, type: kind });
    field.required = required && kind !== "checkbox";
    if (kind === "number") field.step = "any";
    if (kind === "checkbox") field.value = "true";
    if (kind === "url") field.placeholder = "https://";
    return labeled(name, field);
  }

  function labeled(text, control) {
    const field = Object.assign(document.createElement("div"), { className: "field" });
    field.append(Object.assign(document.createElement("label"), { htmlFor: control.id, textContent: text }), control);
    return field;
  }

  function set(control, value) {
    if (control.type === "checkbox") control.checked = Boolean(value);
    else control.value = value;
    if (control.selectedIndex === -1) control.selectedIndex = 0; // another model does not have this choice
  }

  /** The price of an image as text: of the most expensive resolution if this one has none, or that of the model. */
  function priceOf({ pricePerImage: prices }, resolution, model) {
    const price = Object(prices) === prices ? prices[resolution] ?? Math.max(...Object.values(prices)) : prices;
    return price ?? model?.price ? dollars(price ?? model.price) : "";
  }

  function showPrice() {
    const flow = chosen();
    if (!flow) return;
    const model = models[form.elements.model?.value || flow.model];
    const text = priceOf(flow, form.elements.resolution?.value || flow.resolution || model?.resolutions[0], model);
    price.textContent = text && `${text} per image`;
  }

  // --- the prompt and the input image

  function insert(text) {
    const { selectionStart: start, selectionEnd: end, value } = prompt;
    const before = value.slice(0, start), gap = !before || /\s$/.test(before) ? "" : ", ";
    prompt.focus();
    prompt.setRangeText(gap + text, start, end, "end");
    const quoted = text.match(/“(.+)”/), at = start + gap.length + (quoted?.index ?? 0) + 1;
    if (quoted) prompt.setSelectionRange(at, at + quoted[1].length); // to type other words at once
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function takeFile(given) {
    const list = new DataTransfer();
    if (given) list.items.add(given);
    file.files = list.files;
    showInput();
  }

  /** Show the input image: a file, or an image of an earlier job. */
  function showInput() {
    const given = file.files[0], fault = given && faultOf(given);
    showError(file, fault);
    if (fault) file.value = "";
    else if (given) source = null;
    if (given && !fault) showInputOf(URL.createObjectURL(given), given.name);
    else if (source) showInputOf(`/jobs/${source.fromJob}/image/${source.fromImage}`, "An image of an earlier job");
    else showInputOf("");
  }

  function faultOf({ type, size }) {
    if (!type.startsWith("image/")) return "This file is not an image. Choose a PNG, JPEG, WebP, GIF, or AVIF file.";
    return size > MAX_FILE ? "This file is larger than 25 MiB. Choose a smaller one." : "";
  }

  function showInputOf(url, name) {
    preview.hidden = !url;
    $("#chooser").hidden = Boolean(url);
    if (!url) return;
    $("img", preview).src = url;
    $("span", preview).textContent = name;
  }

  async function use(job, index) {
    const other = file.disabled && workflows.find(takesImage);
    if (other) showFields({ ...collect(), workflow: other.name });
    if (file.disabled) return tell("No workflow accepts an input image", "The operator of this service can add one.");
    source = { fromJob: job, fromImage: index };
    file.value = "";
    key = null;
    showInput();
    announce("The image is now the input image.");
    form.scrollIntoView({ block: "start" });
    prompt.focus();
  }

  // --- sending

  /** The fields as they are now, without the file and those that are empty or have their default. */
  function collect() {
    const isDefault = (name) => form.elements[name]?.selectedOptions?.[0].defaultSelected;
    const texts = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value);
    const sent = Object.fromEntries(texts.filter(([name]) => !isDefault(name)));
    delete sent.token; // it is sent as a header
    return { ...sent, ...(file.disabled ? {} : source) };
  }

  /** The file to send; none if the workflow has no input image. */
  const inputFile = () => (file.disabled ? undefined : file.files[0]);

  function bodyOf(fields, given, more = {}) {
    const body = new FormData();
    for (const [name, value] of Object.entries({ ...fields, ...more })) body.append(name, value);
    if (given) body.append("image1", given);
    return body;
  }

  /** The key of a request: the same one if it was sent before the page was reloaded, and its response was lost. */
  function keyOf(fields, given) {
    const request = JSON.stringify(fields), [sent, sentKey] = JSON.parse(session.getItem(SENT) ?? "[]");
    const found = request === sent && !given ? sentKey : newKey();
    session.setItem(SENT, JSON.stringify([request, found]));
    return found;
  }

  function forgetKey() {
    key = null;
    session.removeItem(SENT);
  }

  async function create(fields, given) {
    if (busy) return;
    busy = button.disabled = true;
    button.textContent = "Sending…";
    [button, ...$$("[aria-invalid]", form)].forEach((field) => showError(field, ""));
    try {
      const { "cf-turnstile-response": _, ...kept } = fields;
      key ??= keyOf(kept, given);
      const more = await credential();
      const headers = { "Idempotency-Key": key };
      const job = await sendJson("/", { method: "POST", body: bodyOf(fields, given, more), headers });
      if (given) files.set(job.id, given);
      remember({ id: job.id, prompt: fields.prompt, status: job.status, fields: kept, file: Boolean(given) });
      await show(job.id, true);
      forgetKey();
    } catch (error) {
      if (error.status < 500) forgetKey(); // otherwise the job may be stored: the same key finds it
      reject(error);
    } finally {
      window.turnstile?.reset();
      busy = button.disabled = false;
      button.textContent = "Create image";
      if (document.activeElement === document.body) button.focus();
    }
  }

  /** The form token that a request needs here, if it does. */
  async function credential() {
    if (!main.dataset.formToken) return {};
    const { formToken } = await sendJson("/form-token");
    await pause(3.5); // it is valid after three seconds
    return { formToken };
  }

  function reject({ problem, message, status }) {
    const text = status === 401 ? UNKNOWN_TOKEN : status < 500 ? message : LOST;
    const field = status === 401 ? $("#token") : form.elements[problem?.field];
    const target = field?.id && !field.closest("[hidden]") ? field : button;
    showError(target, text);
    target.focus();
  }

  /** Create an earlier image again: the form shows its fields, and nothing is sent before the price is confirmed. */
  async function again(id) {
    if (!(await edit(id))) return;
    try {
      const body = bodyOf(collect(), inputFile(), { dryRun: "true", ...(await credential()) });
      const words = inWords(await sendJson("/", { method: "POST", body }));
      if (await ask("Create this image again?", words, "Create it")) await create(collect(), inputFile());
    } catch (error) {
      reject(error);
    }
  }

  /** Show the fields of an earlier job in the form, to be changed; false if its input image has to be chosen again. */
  async function edit(id) {
    const { fields, file: needsFile } = gallery().find((one) => one.id === id) ?? (await requestOf(id));
    fill(fields, files.get(id));
    form.scrollIntoView({ block: "start" });
    prompt.focus();
    const complete = !needsFile || file.disabled || files.has(id);
    if (!complete) showError(file, "Choose the input image again, then press the button.");
    if (!complete) file.focus();
    return complete;
  }

  /** What a job of another browser was created from, as far as its page tells. */
  const requestOf = async (id) => JSON.parse($(".job", await fetchPage(`/jobs/${id}`)).dataset.request);

  /** What a quote says. */
  function inWords({ estimatedCost, startsNow, queuePosition }) {
    const cost = estimatedCost ? `It costs about ${dollars(estimatedCost.amount)}` : "Its price is not known";
    if (startsNow) return `${cost}. It starts at once.`;
    return `${cost}. ${queuePosition ? `It will be number ${queuePosition} in the queue.` : "It has to wait."}`;
  }

  function fill({ fromJob, fromImage, ...fields }, given) {
    source = fromJob ? { fromJob, fromImage } : null;
    prompt.value = fields.prompt ?? "";
    for (const list of $$("select", choices)) {
      list.selectedIndex = Math.max([...list.options].findIndex((option) => option.defaultSelected), 0);
    }
    showFields(fields);
    takeFile(given);
    key = null;
  }

  // --- the result and the gallery

  async function show(id, focus) {
    const article = $(".job", await fetchPage(`/jobs/${id}`));
    reveal(article);
    place.className = "";
    place.replaceChildren(article);
    showGallery();
    if (focus) {
      $("#result").focus({ preventScroll: true });
      $("#result").scrollIntoView({ block: "nearest" });
    }
    settle(id, article.dataset.status);
    follow(place, article, (status) => settle(id, status));
  }

  const STORE = "wireflow-images-jobs";
  function gallery() {
    try {
      return [].concat(JSON.parse(local.getItem(STORE) ?? "[]"));
    } catch {
      return []; // written by something else
    }
  }
  function store(entries) {
    try {
      local.setItem(STORE, JSON.stringify(entries.slice(0, MAX_GALLERY)));
    } catch {
      return; // it is full: the images are still at their URLs
    }
  }
  const remember = (entry) => store([entry, ...gallery().filter((one) => one.id !== entry.id)]);

  function settle(id, status) {
    const entries = gallery(), entry = entries.find((one) => one.id === id);
    if (!entry || entry.status === status) return;
    entry.status = status;
    store(entries);
    showGallery();
  }

  const shown = () => $(".job", place)?.dataset.job;

  function showGallery() {
    const entries = gallery(), focused = document.activeElement.closest("#gallery li a")?.pathname;
    $("#gallery").hidden = !entries.length;
    $("#gallery ul").replaceChildren(...entries.map(({ id, prompt: text, status }) => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = `/jobs/${id}`;
      link.dataset.do = "open";
      if (id === shown()) link.setAttribute("aria-current", "true");
      const image = { loading: "lazy", decoding: "async", alt: text, src: `/jobs/${id}/image` };
      if (status === "succeeded") link.append(Object.assign(new Image(), image));
      else for (const words of [text, { failed: "No image", canceled: "Canceled" }[status] ?? "In progress"]) {
        link.append(Object.assign(document.createElement("span"), { textContent: words }));
      }
      item.append(link);
      return item;
    }));
    if (focused) $(`#gallery a[href="${focused}"]`)?.focus();
  }

  /** Follow the jobs of the gallery that are not shown, one at a time. */
  async function watch() {
    for (let turn = 0; ; turn += 1) {
      await pause(5);
      await visible();
      const open = gallery().filter(({ id, status }) => !FINAL.includes(status) && id !== shown());
      if (!open.length) continue;
      const { id } = open[turn % open.length];
      const gone = ({ status }) => ([404, 410].includes(status) ? "failed" : null);
      const status = await sendJson(`/jobs/${id}`).then((job) => job.status, gone);
      if (status) settle(id, status);
    }
  }

  async function open(id) {
    try {
      await show(id, true);
    } catch (error) {
      const deleted = [404, 410].includes(error.status);
      if (deleted) store(gallery().filter((one) => one.id !== id));
      showGallery();
      await tell("This image cannot be shown", deleted ? DELETED : error.message);
    }
  }

  // --- events

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    create(collect(), inputFile());
  });
  form.addEventListener("input", ({ target }) => {
    key = null;
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
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  $("#hints").addEventListener("click", ({ target }) => {
    if (target.matches("button:not([aria-expanded])")) insert(target.textContent);
    else if (target.matches("button")) for (const kind of $$("[aria-expanded]", target.parentElement)) {
      kind.setAttribute("aria-expanded", String(kind === target));
      document.getElementById(kind.getAttribute("aria-controls")).hidden = kind !== target;
    }
  });
  document.addEventListener("paste", (event) => {
    const given = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (!given || file.disabled) return;
    event.preventDefault();
    takeFile(given);
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // else the browser leaves the page to show the file
      if (file.disabled) return;
      $("#drop").classList.toggle("over", kind.startsWith("drage") || kind === "dragover");
      if (kind === "drop") takeFile(event.dataTransfer.files[0]);
    });
  }

  async function start() {
    const asked = new URLSearchParams(location.search), stored = session.getItem(TOKEN);
    if ($("#token") && stored) $("#token").value = stored;
    if (location.search) history.replaceState(null, "", "/");
    showGallery();
    await loadWorkflows();
    const newest = gallery()[0];
    watch();
    if (asked.has("fromJob")) await use(asked.get("fromJob"), asked.get("fromImage") ?? "0");
    else if (asked.has("again")) await again(asked.get("again")).catch(fail);
    else if (asked.has("edit")) await edit(asked.get("edit")).catch(fail);
    else if (newest && !FINAL.includes(newest.status)) await show(newest.id, false).catch(() => {});
  }

  function remove() {
    source = null;
    takeFile(null);
    file.focus();
  }

  async function forget() {
    const text = "The images are not deleted; they are only removed from this list.";
    if (!(await ask("Clear this list?", text, "Clear"))) return;
    store([]);
    showGallery();
  }

  return { start, use, again, edit, open, settle, remove, forget };
}

// --- every page ---------------------------------------------------------------------------------------------------

const playground = $(".playground") ? createPlayground($(".playground")) : null;
const ACTIONS = {
  copy, share, retry, recopy, cancel,
  remove: () => playground.remove(),
  forget: () => playground.forget(),
};
// These are links, which lead to the playground, or from it to the page of a job, where they cannot be handled here.
const LINKS = {
  use: (link) => playground.use(...["fromJob", "fromImage"].map((name) => new URL(link.href).searchParams.get(name))),
  again: (link) => playground.again(new URL(link.href).searchParams.get("again")),
  edit: (link) => playground.edit(new URL(link.href).searchParams.get("edit")),
  open: (link) => playground.open(link.pathname.split("/").pop()),
};

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-do]"), action = target?.dataset.do;
  if (target?.matches("button") && ACTIONS[action]) ACTIONS[action](target)?.catch(fail);
  if (!target?.matches("a") || !playground || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  LINKS[action](target)?.catch(fail);
});

reveal(document);
if (playground) await playground.start();
else if (!getToken()) startJob();
else fetchPage(location.pathname).then(showPage, startJob);
