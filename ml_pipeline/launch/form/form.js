/* The page: a control for every parameter, and what comes of what they hold. */

const model = modelOf(document.getElementById("model").textContent);
const fields = [];
let count = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const byId = (id) => document.getElementById(id);

// Controls: each holds a raw value, and shows one.

const only = (kind, ...names) => Object.keys(kind).every((name) => names.includes(name));

function controlOf(parameter, shownValues = []) {
  const { kind } = parameter;
  if (only(kind, "truth") && kind.truth) return checkbox();
  if (only(kind, "choices", "none", "truth")) return select(parameter);
  if (only(kind, "whole", "number", "none")) return number(parameter, shownValues);
  if (only(kind, "day", "none")) return single(make("input", { type: "date", ...within(parameter) }));
  if (only(kind, "shapes", "tag", "none")) return shape(parameter);
  const inner = kind.items || kind.different;
  if (inner && only(kind, "items", "different") && isSimple(inner) && shownValues.every((value) => areLines(kind, value))) return lines(kind);
  if (inner || kind.places || kind.values || kind.shapes) return structure(parameter);
  const isLong = shownValues.some((value) => /\n/.test(value));
  return single(isLong ? make("textarea", { rows: 4 }) : make("input", { type: "text" }));
}

const isSimple = (kind) => !["none", "anything", "items", "different", "places", "values", "shapes"].some((name) => kind[name]);
const areLines = (kind, value) => isList(value) && same(read(kind, value.map(wordOf)), value) && value.every((member) => !/^\s*$|[\r\n]/.test(wordOf(member)));

function within({ limits }) {
  const bound = (...names) => names.map((name) => limits?.[name]).find((value) => value !== undefined);
  const text = (value) => (value === undefined ? undefined : wordOf(value));
  return { min: text(bound("ge", "gt")), max: text(bound("le", "lt")) };
}

function single(input) {
  return { element: input, input, get: () => input.value, set: (value) => { input.value = value === undefined || value === null ? "" : wordOf(value); } };
}

function number(parameter, shownValues) {
  const input = make("input", { type: "number", step: parameter.kind.number ? "any" : 1, ...within(parameter) });
  const fits = (value) => { input.value = wordOf(value); return input.value !== ""; };
  // A field for numbers shows none that a float does not hold.
  if (!shownValues.every((value) => value === null || fits(value))) return single(make("input", { type: "text", inputmode: "decimal" }));
  const control = single(input);
  return { ...control, get: () => (input.validity.badInput ? new Unreadable("what is no number") : input.value) };
}

function checkbox() {
  const input = make("input", { type: "checkbox" });
  return { element: input, input, get: () => input.checked, set: (value) => { input.checked = value === true; } };
}

function select({ kind, default: usual }) {
  const options = [...(kind.choices || []), ...(kind.truth ? [true, false] : []), ...(kind.none ? [null] : [])];
  const isOpen = usual === undefined && !kind.none;
  const input = make("select", {}, ...(isOpen ? [make("option", { value: "" }, "choose one")] : []), ...options.map((value, at) => make("option", { value: at }, wordOf(value))));
  return {
    element: input,
    input,
    get: () => (input.value === "" ? new Unreadable("nothing") : options[Number(input.value)]),
    set: (value) => { const at = value === undefined ? -1 : options.findIndex((option) => same(option, value)); input.value = at < 0 ? (isOpen ? "" : String(options.length - 1)) : String(at); },
  };
}

function lines(kind) {
  const input = make("textarea", { rows: 3 });
  return {
    element: input,
    input,
    hint: kind.items ? "one in each line" : "one in each line, in any order",
    get: () => input.value.split("\n").filter((line) => strip(line) !== ""),
    set: (value) => { input.value = (value || []).map(wordOf).join("\n"); },
  };
}

function structure({ kind }) {
  const input = make("textarea", { rows: 3 });
  return {
    element: input,
    input,
    hint: "as JSON",
    get: () => { try { return fromText(kind, input.value); } catch { return new Unreadable(input.value, { hint: ": it is no JSON" }); } },
    set: (value) => { input.value = value === undefined ? "" : is(value, "string") ? value : value === null ? "none" : jsonText(value); },
  };
}

/* A control with its name, what it must be, what it is for, and what is wrong with it. */
function fieldOf(parameter, control, usual) {
  const id = `c${(count += 1)}`, { dotted, about } = parameter;
  const error = make("p", { class: "error", id: `${id}e`, "aria-live": "polite" });
  const reset = make("button", { type: "button", class: "reset", "aria-label": `Reset ${dotted}` }, "reset");
  const fallback = make("span", { class: "fallback" });
  control.input.id = id;
  control.input.setAttribute("aria-describedby", [`${id}m`, about && `${id}a`, `${id}e`].filter(Boolean).join(" "));
  if (parameter.default === undefined) control.input.setAttribute("aria-required", "true");
  const must = [parameter.must, control.hint].filter(Boolean).join(", ");
  const head = make("div", { class: "head" }, make("label", { for: id, title: dotted }, toldOf(parameter)), make("span", { class: "must", id: `${id}m` }, must), fallback, make("span", { class: "mark" }, "changed"), reset);
  const row = make("div", { class: "field", "data-name": dotted }, head, about ? make("p", { class: "about", id: `${id}a` }, about) : null, control.element, error);
  const field = { parameter, control, row, error, fallback, reset, usual };
  reset.addEventListener("click", () => { control.set(field.usual()); control.input.focus(); update(); });
  return field;
}

/* What a field is where nobody says otherwise: in an environment, what stands there. */
const usualOf = (parameter) => { const stands = standing(); return stands.has(parameter.dotted) ? stands.get(parameter.dotted) : parameter.default; };

function membersOf(members, name) {
  return members.map((member) => {
    if (member.section !== undefined) {
      const legend = make("legend", {}, `${name}.${member.section} `, make("small", {}, member.about || ""));
      return make("fieldset", {}, legend, ...membersOf(member.members, `${name}.${member.section}`));
    }
    const known = [member.default, ...[...model.standing.values()].map((values) => values.get(member.dotted))].filter((value) => value !== undefined);
    const field = fieldOf(member, controlOf(member, known), () => usualOf(member));
    field.control.set(field.usual());
    fields.push(field);
    return field.row;
  });
}

// Dates: for each axis of the partitions one key, or the first and the last.

const axes = model.dates.map((axis) => {
  const isDaily = axis.first !== undefined;
  const keyInput = () => {
    if (isDaily) return make("input", { type: "date", min: axis.first, max: axis.is_open ? undefined : axis.last });
    if (axis.keys && !axis.is_open && axis.keys.length <= 400) return make("select", {}, make("option", { value: "" }, ""), ...axis.keys.map((key) => make("option", { value: key }, key)));
    const list = `l${(count += 1)}`;
    const input = make("input", { type: "text", list });
    byId("form").append(make("datalist", { id: list }, ...(axis.keys || []).slice(-400).map((key) => make("option", { value: key }))));
    return input;
  };
  const start = keyInput(), end = keyInput();
  const must = isDaily ? `a day from ${axis.first} to ${axis.last}` : axis.keys ? `one of ${axis.keys.slice(0, 3).join(", ")}${axis.keys.length > 3 ? " ..." : ""}` : "a key";
  const spec = (dotted, text, about) => ({ dotted, told: dotted, must: text, about, default: null });
  const name = model.dates.length > 1 ? axis.name : "as_of";
  const first = fieldOf(spec(name, must), single(start), () => axis.suggested);
  const last = fieldOf(spec(`${name} to`, "empty for one, else the last"), single(end), () => null);
  first.control.set(axis.suggested);
  return { axis, isDaily, first, last };
});

const day = (text) => Date.parse(`${text}T00:00:00Z`) / 86400000;

/* The keys from one to another on an axis, or what is wrong. */
function keysOf({ axis, isDaily, first, last }) {
  const [from, to] = [first, last].map((field) => strip(field.control.get()));
  const name = first.parameter.dotted, found = [];
  const bad = (field, key) => {
    if (!key) return field === first ? `${name} must be given: ${first.parameter.must}` : "";
    if (isDaily) return isDay(key) && key >= axis.first && (key <= axis.last || axis.is_open) ? "" : `${field.parameter.dotted} must be ${first.parameter.must}, but got ${key}`;
    return axis.is_open || !axis.keys || axis.keys.includes(key) ? "" : `${field.parameter.dotted} must be ${first.parameter.must}, but got ${quoted(key)}`;
  };
  const problems = [bad(first, from), bad(last, to)];
  if (problems.some(Boolean)) return { problems };
  if (!to || to === from) return { keys: [from], from, to: from, problems };
  if (isDaily) for (let at = day(from); at <= day(to); at += 1) found.push(new Date(at * 86400000).toISOString().slice(0, 10));
  else if (axis.keys && axis.keys.includes(from) && axis.keys.includes(to)) found.push(...axis.keys.slice(axis.keys.indexOf(from), axis.keys.indexOf(to) + 1));
  else return { keys: null, from, to, problems };
  if (!found.length) problems[1] = `${name} must not be after its last, but got ${from} and ${to}`;
  return { keys: found, from, to, problems };
}

/* What is asked for: the keys of all axes together, and the ends of their range. */
function datesAsked() {
  const each = axes.map(keysOf);
  axes.forEach((axis, at) => { show(axis.first, each[at].problems[0]); show(axis.last, each[at].problems[1]); });
  const problems = each.flatMap((one) => one.problems).filter(Boolean);
  if (problems.length || !axes.length) return { problems, keys: axes.length ? [] : [null], ends: [] };
  const joined = (lists) => lists.reduce((keys, more) => keys.flatMap((key) => more.map((one) => (key === null ? one : `${key}|${one}`))), [null]);
  const keys = each.every((one) => one.keys) ? joined(each.map((one) => one.keys)) : null;
  const ends = [joined(each.map((one) => [one.from]))[0], joined(each.map((one) => [one.to]))[0]];
  return { problems, keys, ends: ends[0] === ends[1] ? ends.slice(0, 1) : ends };
}

// What is written: YAML that Dagster, our files and browsers read alike, and a command.

function jsonText(value, isYaml = false) {
  const inner = (member) => jsonText(member, isYaml);
  if (isList(value)) return `[${value.map(inner).join(", ")}]`;
  if (isMap(value)) return `{${[...value].map((pair) => pair.map(inner).join(": ")).join(", ")}}`;
  if (is(value, "string")) return JSON.stringify(value).replace(/[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g, escaped);
  // YAML 1.1 reads 1e-05 as text, and 1.0e-05 as a number.
  return isYaml && is(value, "number") ? floatText(value).replace(/^(-?\d+)e/, "$1.0e") : canonical(value);
}

function yamlOf(tree, indent = "") {
  return [...tree].map(([name, value]) => `${indent}${name}:${value.tree ? `\n${yamlOf(value.tree, `${indent}  `)}` : ` ${value.text}\n`}`).join("");
}

function treeOf(pairs) {
  const tree = new Map();
  for (const [dotted, value] of pairs) {
    const steps = dotted.split("."), last = steps.pop();
    const holder = steps.reduce((at, step) => (at.get(step) || at.set(step, { tree: new Map() }).get(step)).tree, tree);
    holder.set(last, { text: jsonText(value === null ? "none" : value, true) });
  }
  return tree;
}

const shell = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\"'\"'")}'`);

/* A value as somebody types it on a command line, or null where it cannot be typed. */
function typedText({ kind }, value) {
  const text = isList(value) || isMap(value) ? jsonText(value) : wordOf(value);
  const means = (written) => { try { return same(read(kind, fromText(kind, written)), value); } catch { return false; } };
  return [text, `"${text}"`, `'${text}'`].find((written) => !written.includes("\0") && means(written)) ?? null;
}

function commandOf(pairs, ends, environment, file) {
  const words = [model.command];
  const add = (option, value) => words.push(value.startsWith("-") ? shell(`${option}=${value}`) : `${option} ${shell(value)}`);
  if (ends.length > 1) { add("--from", ends[0]); add("--to", ends[1]); } else if (ends.length) add("--as-of", ends[0]);
  if (environment) add("--environment", environment);
  const typed = pairs.map(([dotted, value]) => { const { parameter } = fields.find((one) => one.parameter.dotted === dotted); return [toldOf(parameter), typedText(parameter, value)]; });
  if (typed.some(([, text]) => text === null)) add("--params-file", file);
  else typed.forEach(([told, text]) => add("--param", `${told}=${text}`));
  return words.join(" \\\n    ");
}

/* All that asks for what is given, and for nothing else. */
function written(given, ends, environment, id) {
  const known = new Map(fields.map((field) => [field.parameter.dotted, field.parameter]));
  const pairs = [...given].map(([dotted, raw]) => {
    try { return [dotted, read(known.get(dotted).kind, raw)]; } catch { return [dotted, raw]; }
  });
  const told = environment ? [["run.environment", environment], ...pairs] : pairs;
  const file = `${model.title}-${id || "params"}.yaml`;
  const config = told.length ? `resources:\n  ${model.resource}:\n    config:\n${yamlOf(treeOf(told), "      ")}` : "{}\n";
  const content = told.length ? yamlOf(treeOf(told)) : "{}\n";
  return { file, config, content, command: commandOf(pairs, ends, environment, file) };
}

// The whole, anew after each change.

const environment = model.environments.length ? make("select", {}, ...model.environments.map((name) => make("option", { value: name }, name))) : null;
if (environment) environment.value = model.environment;
function standing() { return (environment && model.standing.get(environment.value)) || new Map(); }

function show(field, problem) {
  field.error.textContent = problem || "";
  field.control.input.setAttribute("aria-invalid", problem ? "true" : "false");
}

function asked() {
  const given = new Map();
  for (const field of fields) {
    const raw = field.control.get(), usual = field.usual();
    let isUsual = false;
    if (usual === undefined) isUsual = raw === "" || (raw instanceof Unreadable && raw.found === "nothing");
    else if (!(raw instanceof Unreadable)) {
      try { isUsual = same(read(field.parameter.kind, raw), usual); } catch (error) { if (!(error instanceof Unreadable)) throw error; }
      isUsual ||= is(usual, "string") && raw === usual;
    }
    field.row.classList.toggle("changed", !isUsual);
    field.fallback.textContent = usual === undefined ? "required" : `default ${usual === "" ? '""' : isList(usual) || isMap(usual) ? jsonText(usual) : wordOf(usual)}`;
    if (!isUsual) given.set(field.parameter.dotted, raw);
  }
  return given;
}

function listed(id, texts) { byId(id).replaceChildren(...texts.map((text) => make("li", {}, text))); }

function showIds(keys, values, unknown, problems) {
  const output = byId("id"), ids = (keys || []).slice(0, 31).map((key) => [key, runId(model, values, key)]);
  const isKnown = !problems.length && ids.length && ids.every(([, id]) => id);
  output.classList.toggle("unknown", !isKnown);
  byId("why").textContent = "";
  if (problems.length) output.textContent = "none yet";
  else if (!isKnown) {
    output.textContent = "not known here";
    byId("why").textContent = keys ? "Only Python tells what these values become." : "The keys in between are not known here.";
  } else if (ids.length === 1) output.textContent = ids[0][1];
  else {
    const rows = ids.map(([key, id]) => make("tr", {}, make("th", { scope: "row" }, key), make("td", {}, id)));
    output.replaceChildren(make("table", {}, make("tbody", {}, ...rows)));
    if (keys.length > ids.length) byId("why").textContent = `and ${keys.length - ids.length} more`;
  }
  return isKnown ? ids[0][1] : null;
}

function update() {
  const given = asked(), dates = datesAsked(), { values, problems, unknown } = resolve(model, given, standing());
  for (const field of fields) {
    const { dotted, filled, kind } = field.parameter, value = values.get(dotted);
    show(field, problems.get(dotted));
    if (kind.none) field.control.input.placeholder = filled && value !== UNKNOWN && value !== null ? `${wordOf(value)}, by ${filled[0]}` : "none";
  }
  const found = [...dates.problems, ...problems.values()];
  listed("problems", found);
  const id = showIds(dates.keys, values, unknown, found);
  listed("notes", [...unknown.values()]);

  const chosen = environment && environment.value !== model.environment ? environment.value : null;
  const { file, config, content, command } = written(given, dates.ends, chosen, id);
  const texts = { yaml: config, command };
  if (!found.length && !id) byId("why").append(" This prints it: ", make("code", {}, command.replace(model.command, model.identify).replaceAll(" \\\n   ", "")));
  for (const button of document.querySelectorAll("[data-copy]")) {
    byId(button.dataset.copy).textContent = found.length ? "-" : texts[button.dataset.copy];
    button.disabled = found.length > 0;
  }
  byId("bar").textContent = found.length ? `${found.length} problem${found.length > 1 ? "s" : ""}` : id ? `run id ${id}` : "run id not known here";
  const link = byId("file");
  if (found.length) link.removeAttribute("href");
  else {
    link.href = `data:application/yaml;charset=utf-8,${encodeURIComponent(content)}`;
    link.download = file;
  }
  launchpad(config, dates.ends, found.length > 0);
}

function launchpad(config, ends, isRefused) {
  const query = new URLSearchParams([["config", config]]);
  const tags = ends.length > 1 ? [["dagster/asset_partition_range_start", ends[0]], ["dagster/asset_partition_range_end", ends[1]]] : ends.map((key) => ["dagster/partition", key]);
  tags.forEach(([key, value], at) => { query.set(`tags[${at}][key]`, key); query.set(`tags[${at}][value]`, value); });
  const base = byId("webserver").value.trim().replace(/\/+$/, ""), link = byId("launch");
  if (isRefused || !/^https?:\/\/./.test(base)) { link.removeAttribute("href"); link.setAttribute("aria-disabled", "true"); return; }
  link.href = `${base}${model.launchpad}?${query}`;
  link.removeAttribute("aria-disabled");
}

async function copy(button) {
  const text = byId(button.dataset.copy).textContent;
  try { await navigator.clipboard.writeText(text); } catch {
    getSelection().selectAllChildren(byId(button.dataset.copy));
    document.execCommand("copy");
  }
  byId("said").textContent = `Copied: ${button.textContent.replace("Copy the ", "")}.`;
}

const REMEMBERED = `ml_pipeline webserver ${model.title}`;
const remembered = (...value) => { try { return value.length ? localStorage.setItem(REMEMBERED, value[0]) : localStorage.getItem(REMEMBERED); } catch { return null; } };

function start() {
  const form = byId("form");
  if (environment) {
    const field = fieldOf({ dotted: "run.environment", told: "environment", must: `one of ${model.environments.join(", ")}`, about: "where the run reads and writes, and whose standing parameters it has", default: null }, single(environment), () => model.environment);
    form.append(make("fieldset", {}, make("legend", {}, "Environment"), field.row));
    environment.addEventListener("input", moveOn);
  }
  if (axes.length) form.append(make("fieldset", {}, make("legend", {}, model.dates.every((axis) => axis.first) ? "Date" : "Partition"), ...axes.map(({ first, last }) => make("div", { class: "range" }, first.row, last.row))));
  for (const group of model.groups) {
    if (group.members.length) form.append(make("fieldset", {}, make("legend", {}, `${group.name} `, make("small", {}, group.about)), ...membersOf(group.members, group.name)));
  }
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  // Where a webserver has this page, that is the one.
  const isServed = location.protocol !== "file:";
  byId("webserver").parentNode.hidden = isServed;
  byId("webserver").value = isServed ? location.origin : remembered() || model.webserver;
  byId("webserver").addEventListener("input", (event) => { remembered(event.target.value); update(); });
  document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button)));
  update();
}

/* What nobody changed follows the environment. */
function moveOn() {
  fields.forEach((field) => { if (!field.row.classList.contains("changed")) field.control.set(field.usual()); });
}

start();
