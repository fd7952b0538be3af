// The fields of the workflow that is chosen, and what an image of it costs.

import { choices, collect, file, form, settings } from "./composer.js";
import { $, element, getToken, sendJson, setToken, showError, UNKNOWN_TOKEN } from "./page.js";

const LABELS = { aspect_ratio: "Aspect ratio", resolution: "Resolution", model: "Model" };
const models = JSON.parse(settings.models);
let workflows = []; // until they are known, the fields are those that the server wrote

/** Ask for the workflows, which also tells whether the token is accepted. Visitors of a form may not list them. */
export async function loadWorkflows() {
  const token = $("#token");
  if (token ? !getToken() : !settings.open) return;
  try {
    ({ workflows } = await sendJson("/workflows"));
  } catch (error) {
    if (token) showError(token, error.status === 401 ? UNKNOWN_TOKEN : error.message);
    return;
  }
  if (token) {
    setToken(getToken());
    showError(token, "");
    $("#token-hint").textContent = "Accepted. It stays in this browser tab.";
  }
  showFields();
}

const chosen = () => workflows.find((one) => one.name === form.elements.workflow?.value) ?? workflows[0];
const takesImage = ({ fields }) => !fields || fields.some((field) => field.name === "image1");
export const workflowWithImage = () => workflows.find(takesImage);

/** Show the fields of the workflow that `values` name, with these values. */
export function showFields(values = collect()) {
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

function set(control, value) {
  if (control.type === "checkbox") control.checked = Boolean(value);
  else control.value = value;
  if (control.selectedIndex === -1) control.selectedIndex = 0; // another model does not have this choice
}

// --- the fields ---

/** The fields beside the prompt and the image. A webhook gets every field, whether it has such an input or not. */
function fieldsOf(flow, model) {
  const fields = flow.fields ?? ["aspect_ratio", "resolution"].map((name) => ({ name, type: "select" }));
  const own = fields.filter(({ name }) => !["prompt", "image1", "image2", "image3"].includes(name));
  const isChoice = ({ name }) => flow.mode !== "run" && LABELS[name];
  return own.flatMap((one, number) => (isChoice(one) ? choice(one.name, flow, model) : input(one, number)));
}

function choice(name, flow, model) {
  const values = valuesOf(name, flow, model);
  const standard = { aspect_ratio: flow.aspectRatio, resolution: flow.resolution, model: flow.model }[name];
  const priced = (value) => (name === "resolution" && priceOf(flow, value, model)) || [];
  const options = [...(standard ? [] : [""]), ...values].map((value) => {
    return [value, [value || "Default"].concat(priced(value)).join(", ")];
  });
  return values.length ? select(name, LABELS[name], options, standard) : [];
}

function valuesOf(name, flow, model) {
  const known = Object.values(models), fewest = Math.min(...known.map((one) => one.aspectRatios.length));
  if (name === "model") return Object.keys(models);
  if (name === "resolution") return model?.resolutions ?? Object.keys(Object(flow.pricePerImage));
  return (model ?? known.find((one) => one.aspectRatios.length === fewest)).aspectRatios;
}

function select(name, label, options, standard) {
  const list = element("select", { id: name, name });
  list.append(...options.map(([value, text]) => new Option(text, value, value === standard, value === standard)));
  return labeled(label, list);
}

function input({ name, type, required }, number) {
  const kind = { number: "number", boolean: "checkbox", url: "url", image: "url" }[type] ?? "text";
  const field = element("input", { id: `field-${number}`, name, type: kind });
  field.required = required && kind !== "checkbox";
  if (kind === "number") field.step = "any";
  if (kind === "checkbox") field.value = "true";
  if (kind === "url") field.placeholder = "https://";
  return labeled(name, field);
}

function labeled(text, control) {
  const field = element("div", { className: "field" });
  field.append(element("label", { htmlFor: control.id, textContent: text }), control);
  return field;
}

// --- the price ---

export function showPrice() {
  const flow = chosen();
  if (!flow) return;
  const model = models[form.elements.model?.value || flow.model];
  const text = priceOf(flow, form.elements.resolution?.value || flow.resolution || model?.resolutions[0], model);
  $("#price").textContent = text && `${text} per image`;
}

/** The price of an image as text: of the most expensive resolution if this one has none, or that of the model. */
function priceOf({ pricePerImage: prices }, resolution, model) {
  const own = Object(prices) === prices ? prices[resolution] ?? Math.max(...Object.values(prices)) : prices;
  const price = own ?? model?.price;
  return price ? dollars(price) : "";
}

export const dollars = (amount) => `$${Number(amount.toFixed(4)).toString().replace(/^(\d+\.\d)$/, "$10")}`;
