// The same request as a curl command and as a Python program.

/** Return a curl command for a POSIX shell; the key is read from the environment. */
export function curl({ url, body, profile }) {
  const lines = [
    `curl -N ${quoted(url)}`,
    `-H "Authorization: Bearer $OPENAI_API_KEY"`,
    "-H 'Content-Type: application/json'",
    ...(profile ? [`-H 'x-render-profile: ${profile}'`] : []),
    `-d ${quoted(JSON.stringify(body, null, 2))}`,
  ];
  return `${lines.join(" \\\n  ")}\n`;
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Return a program that uses the dialect's own package; the key is read from the environment. */
export function python({ dialect, base, body, profile }) {
  const fields = Object.entries(body).map(([name, value]) => `    ${name}=${literal(value, 4)},\n`);
  if (profile) fields.push(`    extra_headers={"x-render-profile": "${profile}"},\n`);
  return dialect.python(fields.join(""), literal(base));
}

// JSON's strings and numbers are Python's, its words and brackets nearly so.
function literal(value, indent = 0) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const isList = Array.isArray(value);
  const [open, close] = isList ? "[]" : "{}";
  const items = isList
    ? value.map((item) => literal(item, indent + 4))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${literal(item, indent + 4)}`);
  if (!items.length) return open + close;
  const oneLine = `${open}${items.join(", ")}${close}`;
  if (oneLine.length + indent < 80 && !oneLine.includes("\n")) return oneLine;
  const pad = " ".repeat(indent + 4);
  return `${open}\n${items.map((item) => `${pad}${item},\n`).join("")}${" ".repeat(indent)}${close}`;
}
