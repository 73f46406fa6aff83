// The form of a gateway key: for a new one, and for one that is changed.

import { make } from "../elements.js";
import { setText, t } from "../i18n.js";
import { attempt, button, choice, dialog, field, text } from "./parts.js";

const WINDOWS = ["5_hours", "day", "week", "month"];
const UNITS = ["requests", "tokens"];

function number(name, value, least = 1) {
  return make("input", { id: `key-${name}`, name, type: "number", inputMode: "numeric", min: least, step: 1, value: value || "" });
}

/** Ask for the terms of a key until `send` has taken them; resolves to its answer, or null. */
export function keyDialog({ key = null, accounts = [], account = "", send }) {
  return new Promise((resolve) => {
    let answer = null;
    const title = key ? setText(make("h2"), "admin.key.change.of", { name: key.name }) : setText(make("h2"), "admin.key.make");
    const fill = (box, close) => {
      const form = keyForm({ key, accounts, account }, close);
      form.addEventListener("submit", async (event) => {
        event.preventDefault();
        answer = await attempt(form, () => send(fieldsOf(form, key)));
        if (answer) close();
      });
      box.append(form);
    };
    dialog(title, fill, () => resolve(answer));
  });
}

function keyForm({ key, accounts, account }, close) {
  const name = make("input", { id: "key-name", name: "name", required: true, autofocus: true, maxLength: 64, autocomplete: "off", spellcheck: false, value: key?.name ?? "" });
  const models = make("input", { id: "key-models", name: "models", autocomplete: "off", spellcheck: false, value: key?.models.join(", ") ?? "" });
  const shows = make("input", { type: "checkbox", id: "key-shows", name: "shows_account", checked: key?.shows_account ?? false });
  const problem = make("p", { className: "problem form-problem", role: "alert", hidden: true });
  const submit = Object.assign(text("button", key ? "admin.save" : "admin.key.make"), { type: "submit", className: "primary" });
  const form = make("form", { className: "dialog-body" }, field("admin.key.name", name, "admin.key.name.hint"));
  if (!key) {
    const options = accounts.map(({ id, name: label, email }) => [id, make("option", {}, `${label} (${email})`)]);
    form.append(field("admin.key.account", Object.assign(choice("key-account", options, account), { name: "account" })));
  }
  form.append(
    budgets(key),
    make("div", { className: "pair" }, field("admin.key.minute", number("requests_per_minute", key?.requests_per_minute, 0)), field("admin.key.at_once", number("concurrent_requests", key?.concurrent_requests, 0))),
    field("admin.key.models", models, "admin.key.models.hint"),
    make("label", { className: "option" }, shows, text("span", "admin.key.shows")),
    problem,
    make("div", { className: "dialog-foot" }, button("admin.cancel", close), submit),
  );
  return form;
}

function budgets(key) {
  const head = make("div", { className: "budget-row" }, make("span"), ...UNITS.map((unit) => text("span", `admin.unit.${unit}`, {}, { className: "hint" })));
  const rows = WINDOWS.map((window) => {
    const label = `admin.window.${window.replace("5_hours", "five_hours")}`;
    const inputs = UNITS.map((unit) => {
      const name = `${unit}_per_${window}`;
      const input = Object.assign(number(name, key?.budgets[name]), { placeholder: t("admin.no_limit"), name: `budgets.${name}` });
      input.setAttribute("aria-label", `${t(label)}: ${t(`admin.unit.${unit}`)}`);
      return input;
    });
    return make("div", { className: "budget-row" }, text("span", label), ...inputs);
  });
  return make("fieldset", { className: "budgets" }, text("legend", "admin.budgets"), text("p", "admin.budgets.hint", {}, { className: "hint" }), head, ...rows);
}

/** Return the fields of the form as the gateway takes them. */
function fieldsOf(form, key) {
  const value = (name) => form.elements[name].value.trim();
  const budgetsGiven = UNITS.flatMap((unit) => WINDOWS.map((window) => `${unit}_per_${window}`))
    .filter((name) => value(`budgets.${name}`))
    .map((name) => [name, Number(value(`budgets.${name}`))]);
  return {
    name: value("name"),
    ...(key ? {} : { account: value("account") }),
    budgets: Object.fromEntries(budgetsGiven),
    requests_per_minute: Number(value("requests_per_minute")),
    concurrent_requests: Number(value("concurrent_requests")),
    models: value("models").split(",").map((name) => name.trim()).filter(Boolean),
    shows_account: form.elements.shows_account.checked,
  };
}
