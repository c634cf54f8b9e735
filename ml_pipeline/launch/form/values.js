"use strict";
/* Values as Python reads and writes them, and the ids of runs: ml_pipeline/docs/identity.md.

Integers are BigInt, floats Number, none null, mappings Map: so 1, 1.0 and "1" differ here, too. */

const UNKNOWN = Symbol("only Python knows");
const NOTHING = Symbol("no value");
const is = (value, type) => typeof value === type;
const isList = Array.isArray;
const isMap = (value) => value instanceof Map;

class Unreadable extends Error {
  constructor(found, { place = "", hint = "", member = "", rule = "", unsure = false } = {}) {
    super(rule);
    Object.assign(this, { found, place, hint, member, rule, unsure });
  }
}

// JSON, with integers of any size and without names given twice.

function parseJson(text) {
  const token = /\s*(?:([[\]{}:,])|("(?:[^"\\\x00-\x1f]|\\.)*")|(-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?)(?![\w.])|(true|false|null)\b|$)/y;
  let at = 0;
  const fail = () => { throw new SyntaxError(`no JSON at character ${at + 1}`); };
  function next() {
    token.lastIndex = at;
    const found = token.exec(text);
    if (!found) fail();
    at = token.lastIndex;
    return found;
  }
  function value([all, sign, string, number, fraction, exponent, word], depth = 0) {
    if (depth > 32) fail();
    if (string !== undefined) return JSON.parse(string);
    if (word !== undefined) return { true: true, false: false, null: null }[word];
    if (number !== undefined) {
      if (fraction === undefined && exponent === undefined) return BigInt(number);
      return Number.isFinite(Number(number)) ? Number(number) + 0 : fail();
    }
    if (sign === "[") return members("]", [], (into, first) => into.push(value(first, depth + 1)));
    if (sign !== "{") fail();
    return members("}", new Map(), (into, first) => {
      if (first[2] === undefined) fail();
      const name = JSON.parse(first[2]);
      if (into.has(name) || next()[1] !== ":") fail();
      into.set(name, value(next(), depth + 1));
    });
  }
  function members(end, into, add) {
    let found = next();
    while (found[1] !== end) {
      add(into, found);
      found = next();
      if (found[1] === end) break;
      if (found[1] !== ",") fail();
      found = next();
      if (found[1] === end) fail();
    }
    return into;
  }
  const found = value(next());
  if (next()[0].trim() !== "" || at < text.length) fail();
  return found;
}

function byCodePoint(one, other) {
  const a = Array.from(one), b = Array.from(other);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] !== b[i]) return a[i].codePointAt(0) - b[i].codePointAt(0);
  }
  return a.length - b.length;
}

/* A float in the shortest digits that read back as it, the way Python writes them. */
function floatText(number) {
  if (number === 0) return "0.0";
  const [digits, power] = Math.abs(number).toExponential().split("e");
  const mantissa = digits.replace(".", ""), exponent = Number(power);
  const sign = number < 0 ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    const places = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${digits}e${exponent < 0 ? "-" : "+"}${places}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${mantissa}`;
  const whole = mantissa.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${mantissa.slice(exponent + 1) || "0"}`;
}

const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
const asciiText = (text) => JSON.stringify(text).replace(/[^\x20-\x7e]/g, escaped);

/* The canonical form: sorted keys, compact, ASCII. */
function canonical(value) {
  if (is(value, "string")) return asciiText(value);
  if (is(value, "number")) return floatText(value);
  if (isList(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isMap(value)) return String(value);
  const names = [...value.keys()].sort(byCodePoint);
  return `{${names.map((name) => `${asciiText(name)}:${canonical(value.get(name))}`).join(",")}}`;
}

const same = (one, other) => canonical(one) === canonical(other);

/* SHA-256 of ASCII text in hexadecimal: what browsers have themselves is not there for every page. */
function sha256(text) {
  const rotate = (word, by) => (word >>> by) | (word << (32 - by));
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  const rounds = primes.map((prime) => fraction(Math.cbrt(prime)));
  const state = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const length = text.length, blocks = ((length + 8) >> 6) + 1;
  const words = new Int32Array(blocks * 16);
  for (let i = 0; i < length; i++) words[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i % 4));
  words[length >> 2] |= 0x80 << (24 - 8 * (length % 4));
  words[words.length - 2] = Math.floor((length * 8) / 2 ** 32);
  words[words.length - 1] = length * 8;
  for (let start = 0; start < words.length; start += 16) {
    const w = Array.from(words.subarray(start, start + 16));
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      if (i >= 16) {
        const early = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
        const late = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
        w[i] = (w[i - 16] + early + w[i - 7] + late) | 0;
      }
      const one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + rounds[i] + w[i];
      const two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] = (state[i] + word) | 0; });
  }
  return state.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

// Reading: what was typed as the one value that it means.

const BLANKS = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const AROUND = new RegExp(`^${BLANKS}|${BLANKS}$`, "g");
const strip = (text) => text.replace(AROUND, "");
const NONE = ["", "~", "none", "null"];
const TRUE = ["t", "true", "y", "yes", "on"], FALSE = ["f", "false", "n", "no", "off"];
const isUnicode = (text) => !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
const isDay = (text) => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text < "0001") return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
};

function scalar(word) {
  if (word.length > 310) return word;
  if (/^(~|null|Null|NULL|)$/.test(word)) return null;
  if (/^(true|True|TRUE|false|False|FALSE)$/.test(word)) return word.toLowerCase() === "true";
  if (/^([-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(word)) return BigInt(word.replace("+", ""));
  if (/^[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(word)) {
    return Number.isFinite(Number(word)) ? Number(word) : word;
  }
  return word;
}

function read(kind, raw, place = "") {
  if (kind.anything) return tidied(raw, place);
  let value;
  if (isSpelled(kind, raw)) value = spelled(kind.spelled, is(raw, "string") ? strip(raw) : raw, raw, place);
  else if (is(raw, "string")) value = readText(kind, raw);
  else if (isMap(raw)) value = readMapping(kind, raw, place);
  else if (kind.different && isList(raw)) value = readSet(kind.different, raw, place);
  else if (isList(raw)) value = readList(kind, raw, place);
  else value = readScalar(kind, raw);
  if (value === NOTHING) {
    throw new Unreadable(raw, { place, hint: hintFor(kind, raw) });
  }
  return value;
}

function hintFor(kind, raw) {
  if (kind.text && !is(raw, "string")) return ": put text in quotes";
  if (kind.whole && Number.isInteger(is(raw, "string") ? scalar(strip(raw)) : raw)) return ": write all its digits, without a point or an exponent";
  return kind.spelled === "decimal" && is(raw, "number") ? ": put it in quotes, which keep every digit" : "";
}

function isSpelled(kind, raw) {
  if (!kind.spelled || isMap(raw) || isList(raw)) return false;
  return !(kind.none && (raw === null || (is(raw, "string") && NONE.includes(strip(raw).toLowerCase()))));
}

let SECRETS = [];

function readText(kind, raw) {
  const choices = kind.choices || [];
  if (choices.includes(raw)) return raw;
  const text = strip(raw), lower = text.toLowerCase();
  if (choices.includes(text)) return text;
  if (kind.none && NONE.includes(lower)) return null;
  if (kind.truth && !kind.text && [...TRUE, ...FALSE].includes(lower)) return TRUE.includes(lower);
  let meant = scalar(text);
  if (is(meant, "string") && !kind.text) meant = scalar(text.replace(/(?<=[0-9])_(?=[0-9])/g, ""));
  if (!is(meant, "string") && meant !== null) {
    const value = readScalar(kind, meant);
    if (value !== NOTHING) return value;
  }
  if (kind.day && /^\d{4}-\d{2}-\d{2}$/.test(text)) return isDay(text) ? text : NOTHING;
  return kind.text && (text || !raw) && isUnicode(text) ? text : NOTHING;
}

function readScalar(kind, raw) {
  if (raw === null) return kind.none ? null : NOTHING;
  if (is(raw, "boolean")) return kind.truth ? raw : chosen(kind, raw);
  const number = is(raw, "number") ? raw + 0 : raw;
  const choice = chosen(kind, number);
  if (choice !== NOTHING) return choice;
  if (is(number, "bigint") && kind.whole) return number;
  if (kind.number) return Number.isFinite(Number(number)) ? Number(number) : NOTHING;
  if (kind.whole && Number.isSafeInteger(number)) return BigInt(number);
  return kind.truth && !kind.text && (number == 0 || number == 1) ? number == 1 : NOTHING;
}

function chosen(kind, raw) {
  for (const choice of kind.choices || []) {
    if (is(choice, "string") ? choice === canonical(raw) : is(choice, "boolean") === is(raw, "boolean") && choice == raw) return choice;
  }
  return NOTHING;
}

function readList(kind, raw, place) {
  if (kind.items) return raw.map((member, at) => read(kind.items, member, `${place}[${at}]`));
  if (!kind.places || kind.places.length !== raw.length) return NOTHING;
  return raw.map((member, at) => read(kind.places[at], member, `${place}[${at}]`));
}

/* Numbers by size, then the rest by the names of their types. */
function readSet(kind, raw, place) {
  function typeName(value) {
    if (value === null) return "NoneType";
    if (!is(value, "string")) return is(value, "boolean") ? "bool" : "";
    if ((kind.choices || []).includes(value)) return "str";
    return kind.spelled ? (kind.spelled === "decimal" ? "Decimal" : "Path") : kind.day && isDay(value) ? "date" : "str";
  }
  const members = new Map(raw.map((member, at) => read(kind, member, `${place}[${at}]`)).map((value) => [canonical(value), value]));
  return [...members.values()].sort((one, other) => {
    const a = typeName(one), b = typeName(other);
    if (a !== b) return a < b ? -1 : 1;
    return is(one, "string") ? byCodePoint(one, other) : one < other ? -1 : one > other ? 1 : 0;
  });
}

function readMapping(kind, raw, place) {
  if (kind.shapes) return readShape(kind, raw, place);
  if (!kind.values || ![...raw.keys()].every(isUnicode)) return NOTHING;
  return new Map([...raw].map(([key, member]) => [key, read(kind.values, member, `${place}.${key}`)]));
}

function tidied(raw, place) {
  if (isMap(raw)) return new Map([...raw].map(([key, member]) => [key, tidied(member, `${place}.${key}`)]));
  if (isList(raw)) return raw.map((member, at) => tidied(member, `${place}[${at}]`));
  if (is(raw, "string") && !isUnicode(raw)) throw new Unreadable(raw, { place });
  return is(raw, "number") && Number.isInteger(raw) ? BigInt(raw) : raw;
}

/* What a text means where somebody types it on a command line. */
function fromText(kind, text) {
  const body = strip(text);
  const hasMembers = kind.items || kind.places || kind.values || kind.different || kind.shapes;
  if (hasMembers && /^[[{]/.test(body)) return parseJson(body);
  const quotes = /^(?:'([^']*)'|"([^"\\]*)")$/s.exec(body);
  return quotes ? quotes[1] || quotes[2] || "" : text;
}

// Bounds, and words for what is wrong.

function breaks({ kind, limits }, value) {
  if (!limits || value === null || is(value, "boolean")) return false;
  const { gt, ge, lt, le, multiple_of: factor, min_length: least, max_length: most, pattern } = limits;
  const counted = isList(value) ? value.length : isMap(value) ? value.size : is(value, "string") && !kind.spelled ? Array.from(value).length : null;
  if (counted !== null && (counted < (least ?? 0) || counted > (most ?? Infinity))) return true;
  if (isList(value) || isMap(value) || kind.spelled === "duration") return false;
  if (is(value, "string") && !kind.spelled && pattern && !matches(pattern, value)) return true;
  const size = (bound) => (kind.spelled === "decimal" ? compareDecimals(value, bound) : value < bound ? -1 : value > bound ? 1 : 0);
  if ((gt !== undefined && size(gt) <= 0) || (ge !== undefined && size(ge) < 0)) return true;
  if ((lt !== undefined && size(lt) >= 0) || (le !== undefined && size(le) > 0)) return true;
  return is(factor, "bigint") && is(value, "bigint") && value % factor !== 0n;
}

function matches(pattern, value) {
  try { return new RegExp(pattern, "u").test(value); } catch { return true; }
}

/* How Python shows a value. */
function shown(value) {
  if (value === null) return "None";
  if (is(value, "boolean")) return value ? "True" : "False";
  if (is(value, "number")) return floatText(value);
  if (isList(value)) return `[${value.map(shown).join(", ")}]`;
  if (isMap(value)) return `{${[...value].map(([key, member]) => `${shown(key)}: ${shown(member)}`).join(", ")}}`;
  if (!is(value, "string")) return String(value);
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const names = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", [quote]: `\\${quote}`, " ": " " };
  const code = (point, [sign, width] = point < 0x100 ? ["x", 2] : point < 0x10000 ? ["u", 4] : ["U", 8]) => `\\${sign}${point.toString(16).padStart(width, "0")}`;
  return quote + value.replace(new RegExp(`[\\p{C}\\p{Z}\\\\${quote}]`, "gu"), (one) => names[one] || code(one.codePointAt(0))) + quote;
}

function quoted(value) {
  const text = shown(value);
  if (text.length <= 60) return text;
  return `${text.slice(0, 40)}... (${is(value, "string") ? Array.from(value).length : text.length} characters)`;
}

function refused(parameter, error) {
  const hidden = parameter.kind.spelled === "secret" && "what may be the secret itself (not shown)";
  const at = error.place.startsWith(error.member) ? error.place.slice(error.member.length) : error.place;
  const got = (place) => `${hidden || quoted(error.found)}${place ? ` at ${place}` : ""}${error.hint}`;
  if (!error.rule) return `${parameter.dotted} must be ${parameter.must}, but got ${got(error.place)}`;
  const dotted = `${parameter.dotted}${error.member}`;
  return error.rule.startsWith("must be") ? `${dotted} ${error.rule}, but got ${got(at)}` : `'${dotted}' ${error.rule}`;
}

const wordOf = (value) => (value === null ? "none" : is(value, "string") ? value : canonical(value));

// What a set of typed values is, and its id.

const toldOf = ({ dotted, told }) => told || dotted.slice(dotted.indexOf(".") + 1);

function parametersIn(members) {
  return members.flatMap((member) => (member.section === undefined ? [member] : parametersIn(member.members)));
}

/* Whether an address in a value lets somebody in: parameters are recorded. */
function hasCredentials(value) {
  if (isList(value)) return value.some(hasCredentials);
  if (isMap(value)) return [...value].some((pair) => pair.some(hasCredentials));
  return is(value, "string") && /:\/\/[^/?#\s'"]*:[^/?#\s'"]*@|:\/\/.*[?&;#][^=&]*(password|passwd|secret|token|signature|sig|api_?key|access_?key)[^=&]*=[^&\s]/i.test(value);
}

/* One value for every parameter.

   given: raw values by dotted name, of what is not the default; standing: those of an environment.
   Returns values by dotted name, problems by dotted name or group, and what only Python knows. */
function resolve(model, given, standing = new Map()) {
  SECRETS = model.secrets;
  const entered = new Map(), values = new Map(), problems = new Map(), unknown = new Map(), set = new Set();
  for (const parameter of model.groups.flatMap((group) => parametersIn(group.members))) {
    const { dotted } = parameter, isGiven = given.has(dotted) || standing.has(dotted);
    let value = parameter.default;
    if (isGiven) {
      set.add(dotted);
      const raw = given.has(dotted) ? given.get(dotted) : standing.get(dotted);
      try {
        if (raw instanceof Unreadable) throw raw;
        value = read(parameter.kind, raw);
        if (hasCredentials(value)) problems.set(dotted, `${dotted} must not carry credentials, since it is recorded`);
        else if (breaks(parameter, value)) throw new Unreadable(raw);
        if (parameter.limits?.later) unknown.set(`${dotted}?`, `${dotted}: a bound of it is checked when it is launched`);
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        value = UNKNOWN;
        if (error.unsure) unknown.set(dotted, `${dotted}: only Python reads this spelling of ${parameter.must}`);
        else problems.set(dotted, refused(parameter, error));
      }
    } else if (value === undefined) {
      value = UNKNOWN;
      problems.set(dotted, `${dotted} is required: give ${parameter.must}`);
    }
    entered.set(dotted, value);
    if (parameter.code && value !== UNKNOWN) {
      const hasDefault = parameter.default !== undefined;
      const rows = isGiven ? parameter.code.slice(hasDefault ? 1 : 0) : parameter.code.slice(0, hasDefault ? 1 : 0);
      const row = rows.find(([known]) => same(known, value));
      if (row && row[2] !== null) problems.set(dotted, row[2]);
      else if (!row) unknown.set(dotted, `${dotted}: code of the pipeline says what it becomes`);
      value = row && row[2] === null ? row[1] : UNKNOWN;
    }
    values.set(dotted, value);
  }
  // What goes together is asked, as in Python, where each value is one.
  const isRead = problems.size === 0;
  for (const group of model.groups) settle(model, group, isRead, { entered, values, problems, unknown, set });
  return { values, problems, unknown };
}

/* Fill in what depends on other values, and ask what must hold between them. */
function settle(model, group, isRead, { entered, values, problems, unknown, set }) {
  const parameters = parametersIn(group.members);
  if (group.code) {
    const around = model.groups.filter((one) => group.reach.includes(one.name)).flatMap((one) => parametersIn(one.members));
    const row = group.code.find(([inputs]) => around.every(({ dotted }) => {
      const value = entered.get(dotted);
      return value !== UNKNOWN && (inputs.has(dotted) ? same(inputs.get(dotted), value) : !set.has(dotted));
    }));
    if (isRead && row && row[2] !== null) problems.set(group.name, row[2]);
    else if (!row) unknown.set(group.name, `${group.name}: code of the pipeline says what it becomes`);
    const known = row && row[2] === null;
    parameters.forEach(({ dotted }) => values.set(dotted, known ? row[1].get(dotted) : UNKNOWN));
  } else {
    for (const { dotted, filled } of parameters) {
      if (!filled || values.get(dotted) !== null) continue;
      const by = values.get(filled[0]);
      values.set(dotted, by === UNKNOWN ? UNKNOWN : filled[1].find(([choice]) => same(choice, by))[1]);
    }
  }
  const tests = { "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "==": (a, b) => a == b, "!=": (a, b) => a != b };
  const told = new Map(model.groups.flatMap((one) => parametersIn(one.members)).map((one) => [one.dotted, toldOf(one)]));
  for (const [left, sign, right] of (isRead && group.rules) || []) {
    const sides = [left, right].map((dotted) => values.get(dotted));
    if (sides.some((side) => side === UNKNOWN || side === null) || tests[sign](...sides)) continue;
    const [one, other] = [told.get(left), told.get(right)];
    const problem = `${group.name}: \`${one} ${sign} ${other}\` must hold, but got (${one}=${wordOf(sides[0])}, ${other}=${wordOf(sides[1])})`;
    problems.set(group.name, [problems.get(group.name), problem].filter(Boolean).join("\n"));
  }
}

/* Whether Python calls two values equal: 1, 1.0 and true are. */
function equal(one, other) {
  const plain = (value) => (is(value, "boolean") ? BigInt(value) : value);
  if (isList(one) && isList(other)) return one.length === other.length && one.every((member, at) => equal(member, other[at]));
  if (isMap(one) && isMap(other)) return one.size === other.size && [...one].every(([key, member]) => other.has(key) && equal(member, other.get(key)));
  const [a, b] = [plain(one), plain(other)];
  return [a, b].every((value) => is(value, "bigint") || is(value, "number")) ? a == b : a === b;
}

/* The document that is hashed, or null where a value is not known. */
function identity(model, values, asOf) {
  const params = new Map();
  const put = ([...place], value) => {
    const last = place.pop();
    const holder = place.reduce((at, step) => at.get(step) || at.set(step, new Map()).get(step), params);
    holder.set(last, value);
  };
  for (const group of model.groups.filter((one) => one.scope)) {
    if (!params.has(group.kept)) params.set(group.kept, new Map());
    for (const { dotted, kept, absent } of parametersIn(group.members)) {
      const value = values.get(dotted);
      if (!kept || (absent !== undefined && value !== UNKNOWN && equal(absent, value))) continue;
      if (value === UNKNOWN) return null;
      put(kept === true ? dotted.split(".") : kept, value);
    }
    (group.retired || []).forEach(([place, value]) => put(place, value));
  }
  return new Map([["scheme", model.scheme], ["as_of", asOf], ["params", params]]);
}

function runId(model, values, asOf) {
  const document = identity(model, values, asOf);
  return document && sha256(canonical(document)).slice(0, 16);
}

/* The document of a page, in plain objects but for the values in it. */
function modelOf(text) {
  const values = ["default", "absent", "standing", "code", "retired", "filled", "limits", "choices"];
  const plain = (found, name) => {
    if (values.includes(name)) return name === "limits" ? Object.fromEntries(found) : found;
    if (isList(found)) return found.map((member) => plain(member));
    if (isMap(found)) return Object.fromEntries([...found].map(([key, member]) => [key, plain(member, key)]));
    return found;
  };
  return plain(parseJson(text));
}
