/* Values with a spelling of their own: decimals, durations, identifiers, paths, secrets. */

function spelled(type, text, raw, place) {
  const unsure = () => { throw new Unreadable(raw, { place, unsure: true }); };
  if (type === "decimal") return is(text, "boolean") || hasLostDigits(text) ? NOTHING : decimal(is(text, "number") ? floatText(text) : String(text), unsure);
  if (type === "duration") return is(text, "boolean") ? NOTHING : duration(is(text, "string") ? scalar(text) : text, unsure);
  if (!is(text, "string") || !isUnicode(text)) return NOTHING;
  if (type === "secret") return secret(text);
  if (type === "uuid") {
    const digits = text.replaceAll("urn:", "").replaceAll("uuid:", "").replace(/^[{}]+|[{}]+$/g, "").replaceAll("-", "");
    if (!/^[0-9a-f]{32}$/i.test(digits)) return /[^\x20-\x7e]|[_+ ]/.test(digits) ? unsure() : NOTHING;
    return digits.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }
  if (type !== "path") return unsure();
  if (!text || text.includes("\0")) return NOTHING;
  const root = /^\/\/(?!\/)/.test(text) ? "//" : text.startsWith("/") ? "/" : "";
  return root + text.split("/").filter((part) => part && part !== ".").join("/") || ".";
}

const hasLostDigits = (number) => is(number, "number") && number.toExponential().replace(/e.*|[-.]/g, "").length > 15;

function decimal(text, unsure) {
  const found = /^([-+]?)(\d+)?(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(text);
  if (!found || (found[2] === undefined && !found[3])) return /^[\x20-\x7e]*$/.test(text) && !text.includes("_") ? NOTHING : unsure();
  const fraction = found[3] || "", exponent = Number(found[4] || 0) - fraction.length;
  const digits = `${found[2] || ""}${fraction}`.replace(/^0+(?=.)/, "");
  if (Math.max(-exponent, digits.length + exponent - 1) > 310) return NOTHING;
  const padded = exponent >= 0 ? digits + "0".repeat(exponent) : digits.padStart(1 - exponent, "0");
  const point = padded.length + Math.min(exponent, 0);
  const after = padded.slice(point).replace(/0+$/, "");
  const plain = padded.slice(0, point).replace(/^0+(?=.)/, "") + (after && `.${after}`);
  return found[1] === "-" && plain !== "0" ? `-${plain}` : plain;
}

function duration(given, unsure) {
  let seconds = null;
  if (is(given, "bigint")) seconds = given;
  else if (is(given, "string")) {
    const iso = /^([-+]?)P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$/.exec(given);
    const clock = /^()()([01]\d|2[0-3]):([0-5]\d):([0-5]\d)$/.exec(given);
    const parts = clock || (iso && /\d[A-Z]$/.test(given) && !/T$/.test(given) ? iso : null);
    if (parts) {
      const [d, h, m, s] = parts.slice(2).map((part) => BigInt(part || 0));
      seconds = (((d * 24n + h) * 60n + m) * 60n + s) * (parts[1] === "-" ? -1n : 1n);
    }
  }
  // What a year is, fractions and other spellings are left to Python.
  const days = seconds === null ? 0n : (seconds < 0n ? -seconds : seconds) / 86400n;
  if (days > 999999999n) return NOTHING;
  if (seconds === null || days >= 365n) return unsure();
  const rest = (seconds < 0n ? -seconds : seconds) % 86400n;
  const clock = [[rest / 3600n, "H"], [(rest / 60n) % 60n, "M"], [rest % 60n, "S"]];
  const time = clock.map(([count, unit]) => (count ? `${count}${unit}` : "")).join("");
  return `${seconds < 0n ? "-" : ""}P${days ? `${days}D` : ""}${time || !days ? `T${time || "0S"}` : ""}`;
}

function secret(text) {
  const scheme = text.split(":")[0], place = text.slice(scheme.length + 1);
  if (!SECRETS.includes(scheme) || !place) return NOTHING;
  if (scheme === "env") return /^[A-Za-z_][A-Za-z0-9_]*$/.test(place) ? text : NOTHING;
  return scheme === "file" && (!place.startsWith("/") || place.includes("\0")) ? NOTHING : text;
}

function compareDecimals(one, other) {
  const parts = [one, is(other, "number") ? floatText(other) : String(other)].map((text) => decimal(text, () => "0").split("."));
  const places = Math.max(...parts.map(([, fraction]) => (fraction || "").length));
  const [a, b] = parts.map(([whole, fraction]) => BigInt(whole + (fraction || "").padEnd(places, "0")));
  return a < b ? -1 : a > b ? 1 : 0;
}
