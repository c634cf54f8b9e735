/* Values with fields: of a class, or of one of several. */

function shapeOf(kind, raw, place = "") {
  if (!kind.tag) return kind.shapes[0];
  const told = (shape) => shape.find((member) => member.name === kind.tag);
  const given = (member) => [member.name, ...(member.aliases || [])].filter((name) => raw.has(name));
  const takes = (member, value) => {
    try { read(member.kind, value); return true; } catch (error) { if (error instanceof Unreadable) return false; throw error; }
  };
  const found = kind.shapes.find((shape) => given(told(shape)).some((name) => takes(told(shape), raw.get(name))));
  if (found) return found;
  const choices = kind.shapes.flatMap((shape) => told(shape).kind.choices).join(", ");
  const at = `${place}.${kind.tag}`;
  throw new Unreadable(raw.get(kind.tag) ?? null, { place: at, member: at, rule: `must be one of ${choices}` });
}

function readShape(kind, raw, place) {
  const shape = shapeOf(kind, raw, place), given = new Map(), found = new Map();
  const own = new Map(shape.flatMap((member) => [member.name, ...(member.aliases || [])].map((name) => [name, member.name])));
  for (const [key, value] of raw) {
    const at = `${place}.${key}`;
    if (!own.has(key) || given.has(own.get(key))) {
      throw new Unreadable(value, { place: at, member: at, rule: own.has(key) ? "is given twice" : whyUnknown(kind, shape, key) });
    }
    given.set(own.get(key), value);
  }
  for (const member of shape) {
    const at = `${place}.${member.name}`;
    if (!given.has(member.name) && member.default === undefined) {
      throw new Unreadable(null, { place: at, member: at, rule: `is required: give ${member.must}` });
    }
    try {
      const value = read(member.kind, given.has(member.name) ? given.get(member.name) : member.default, at);
      if (given.has(member.name) && breaks(member, value)) throw new Unreadable(given.get(member.name), { place: at });
      found.set(member.name, value);
    } catch (error) {
      if (!(error instanceof Unreadable) || error.rule || error.unsure) throw error;
      throw new Unreadable(error.found, { place: error.place, hint: error.hint, member: at, rule: `must be ${member.must}` });
    }
  }
  return found;
}

function whyUnknown({ shapes, tag }, shape, key) {
  const choices = (one) => one.find((member) => member.name === tag)?.kind.choices ?? [];
  const others = shapes.filter((other) => other !== shape && other.some((member) => member.name === key)).flatMap(choices);
  return others.length ? `is a field of ${tag} ${others.join(" or ")}, but ${tag} is ${choices(shape).join(", ")}` : "does not exist";
}

/* Fields of a class, or of one of several: a select says which. */
function shape({ dotted, kind }) {
  const names = kind.shapes.map((members) => (kind.tag ? members.find((one) => one.name === kind.tag).kind.choices : ["set"]));
  const options = [...names.flatMap((choices, at) => choices.map((choice) => [wordOf(choice), at, choice])), ...(kind.none ? [["none", -1, null]] : [])];
  const input = make("select", {}, ...options.map(([text], at) => make("option", { value: at }, text)));
  const inner = make("div");
  const states = new Map();
  let current = [];
  function show(at, value) {
    const members = at < 0 ? [] : kind.shapes[at].filter((member) => member.name !== kind.tag);
    current = members.map((member) => {
      const path = `${dotted}.${member.name}`, known = value instanceof Map && value.has(member.name) ? value.get(member.name) : member.default;
      const control = controlOf({ ...member, dotted: path }, known === undefined ? [] : [known]);
      const id = `c${(count += 1)}`;
      control.input.id = id;
      if (member.about) control.input.setAttribute("aria-describedby", `${id}a`);
      control.set(known);
      return { member, control, row: make("div", { class: "field" }, make("div", { class: "head" }, make("label", { for: id }, member.name), make("span", { class: "must" }, member.must, control.hint ? `, ${control.hint}` : "")), member.about ? make("p", { class: "about", id: `${id}a` }, member.about) : null, control.element) };
    });
    inner.replaceChildren(...(current.length ? [make("fieldset", {}, make("legend", {}, `${dotted.split(".").pop()} of ${kind.tag || "fields"} ${options[Number(input.value)][0]}`), ...current.map((one) => one.row))] : []));
  }
  input.addEventListener("change", () => { const at = options[Number(input.value)][1]; show(at, states.get(at)); });
  function get() {
    const [, at, choice] = options[Number(input.value)];
    if (at < 0) return null;
    const found = new Map(kind.tag ? [[kind.tag, choice]] : []);
    for (const { member, control } of current) {
      const raw = control.get();
      if (raw instanceof Unreadable) return new Unreadable(raw.found, { place: `.${member.name}`, member: `.${member.name}`, rule: `must be ${member.must}` });
      if (!(raw === "" && member.default === undefined)) found.set(member.name, raw);
    }
    states.set(at, found);
    return found;
  }
  function set(value) {
    const tag = kind.tag && isMap(value) ? value.get(kind.tag) : undefined;
    let at = options.findIndex(([, , choice]) => (isMap(value) ? !kind.tag || (choice !== null && same(choice, tag ?? null)) : choice === null));
    if (at < 0) at = 0;
    input.value = String(at);
    show(options[at][1], value);
  }
  return { element: make("div", {}, input, inner), input, get, set };
}
