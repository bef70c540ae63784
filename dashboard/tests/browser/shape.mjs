// What an answer is made of: which members it has, and of which kind their values are. Two answers of one contract have
// the same, whatever they say.

/** One line a member and kind, sorted: `sources[].as_of: time`. A member that only some of its likes have is also
 * `absent`. Margins are told apart by what they are by; which of them hides a number is a matter of the data. */
export function shapeOf(value) {
  const lines = new Set();
  describe([value], "", lines);
  return [...lines].sort();
}

function describe(values, where, lines) {
  const objects = values.filter((value) => kindOf(value) === "object");
  const keys = new Set(objects.flatMap((value) => Object.keys(value)));
  for (const key of keys) {
    const own = objects.filter((value) => key in value);
    if (own.length < objects.length) lines.add(`${where}.${key}: absent`);
    describe(own.map((value) => value[key]), `${where}.${key}`, lines);
  }
  const lists = values.filter(Array.isArray);
  const elements = new Map();
  for (const element of lists.flat()) {
    const at = Array.isArray(element?.by) ? `${where}[by ${element.by.join()}]` : `${where}[]`;
    elements.set(at, [...(elements.get(at) ?? []), element]);
  }
  for (const [at, some] of elements) describe(some, at, lines);
  for (const value of values) lines.add(`${value === null ? where.replace(/\[by [^\]]*\]/, "[]") : where}: ${kindOf(value)}`);
}

function kindOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (typeof value !== "string") return typeof value;
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value)) return "time";
  return /^\d{4}-\d\d-\d\d$/.test(value) ? "date" : "string";
}

/** The headers that belong to the answer, with what is the same in every answer of its kind. */
export function headersOf(headers) {
  const ofTheConnection = ["connection", "content-length", "date", "keep-alive", "transfer-encoding"];
  const lines = Object.entries(headers).filter(([name]) => !ofTheConnection.includes(name)).map(([name, value]) => {
    const said = value.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "<uuid>").replace(/[0-9a-f]{16,}/g, "<hash>");
    return `${name}: ${name === "x-iidi-sources" ? said.replace(/=[a-z]+/g, "=<status>").replace(/\b[A-Z]{2}\b/g, "<code>") : said}`;
  });
  return lines.sort();
}
