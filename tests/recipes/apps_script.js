// Stand-ins for what a script of Google Sheets may call. The first argument is the script, the second the sheet as
// JSON: its rows. Then each further argument is a function of the script to run; "!" before it loses the response of
// its request. Prints the rows afterwards, and what was shown: messages and errors.
// https://developers.google.com/apps-script/reference/url-fetch/url-fetch-app#advanced-parameters
const { execFileSync } = require("node:child_process");
const { randomUUID } = require("node:crypto");
const vm = require("node:vm");

const [script, cells, ...calls] = process.argv.slice(2);
const rows = JSON.parse(cells);
const shown = [];
let lost = false;

class Range {
  constructor(row, column) { this.row = row; this.column = column; }
  setValue(value) { rows[this.row - 1][this.column - 1] = String(value); return this; }
  setFormula(formula) { return this.setValue(formula); }
  getDisplayValues() { return rows.map((row) => [...row]); }
}

const sheet = {
  getDataRange: () => new Range(1, 1),
  getRange: (row, column) => new Range(row, column),
  getRangeList: (names) => ({
    setValue: (value) => names.map((name) => new Range(...name.match(/\d+/g).map(Number))).forEach((range) => range.setValue(value)),
  }),
};
const menu = { addItem: () => menu, addToUi: () => undefined };

function fetch(url, options) {
  const headers = { ...options.headers };
  if (options.contentType) headers["Content-Type"] = options.contentType;
  const named = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const body = options.payload === undefined ? [] : ["--data-binary", "@-"];
  const method = ["-X", (options.method || "get").toUpperCase()];
  const curl = ["-sS", "--noproxy", "*", ...method, ...named, ...body, "-w", "\n%{http_code}", url];
  const text = execFileSync("curl", curl, { input: options.payload, encoding: "utf8", maxBuffer: 1e9 });
  if (lost) throw new Error("Timeout");
  const end = text.lastIndexOf("\n");
  const code = Number(text.slice(end + 1));
  if (code >= 400 && !options.muteHttpExceptions) throw new Error(`Request failed, returned code ${code}.`);
  return { getResponseCode: () => code, getContentText: () => text.slice(0, end) };
}

function parseCsv(text) {
  const lines = [[""]];
  for (let at = 0, quoted = false; at < text.length; at += 1) {
    const line = lines[lines.length - 1], char = text[at];
    if (quoted && char === '"' && text[at + 1] === '"') { line[line.length - 1] += '"'; at += 1; }
    else if (char === '"') quoted = !quoted;
    else if (!quoted && char === ",") line.push("");
    else if (!quoted && char === "\n") lines.push([""]);
    else if (quoted || char !== "\r") line[line.length - 1] += char;
  }
  return lines.filter((line) => line.length > 1 || line[0]);
}

const context = vm.createContext({
  SpreadsheetApp: {
    getActiveSheet: () => sheet,
    getActive: () => ({ toast: (text) => shown.push(text) }),
    getUi: () => ({ createMenu: () => menu }),
    flush: () => undefined,
  },
  LockService: { getDocumentLock: () => ({ tryLock: () => true }) },
  UrlFetchApp: { fetch },
  Utilities: { parseCsv, getUuid: randomUUID },
});
vm.runInContext(script, context);
for (const call of calls) {
  lost = call.startsWith("!");
  try {
    vm.runInContext(`${call.replace("!", "")}()`, context);
  } catch (error) {
    shown.push(String(error));
  }
}
console.log(JSON.stringify({ rows, shown }));
