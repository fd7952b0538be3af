// Requests to the service, with the token of the reader, and what is said when they fail.

import { $, session } from "./browser.js";

const TOKEN = "wireflow-images-token";
const UNREACHABLE = "The service cannot be reached. Check the connection, and try again.";
const UNAVAILABLE = "The service is not available. Try again in a minute.";
export const UNKNOWN_TOKEN = "This token is not accepted. Check it, or ask the operator of this service for one.";

export const storedToken = () => session.getItem(TOKEN);
export const getToken = () => $("#composer #token")?.value.trim() || storedToken();
export const setToken = (text) => (text ? session.setItem(TOKEN, text) : session.removeItem(TOKEN));

/** Send a request with the token, if there is one. Throws an Error with `problem` if the server rejects it. */
export async function send(path, { headers = {}, ...options } = {}) {
  const token = getToken(), authorization = token ? { Authorization: `Bearer ${token}` } : {};
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
