// The parts that all pages are made of: states, fields, dialogs.

import { icon, make } from "../elements.js";
import { setLabel, setText, t } from "../i18n.js";

/** Return an element whose text is looked up by name. */
export function text(tag, name, values = {}, properties = {}) {
  return setText(make(tag, properties), name, values);
}

/** Return a button with a text, and an icon if it has one. */
export function button(name, action, { look = "", mark = "", values = {} } = {}) {
  const made = make("button", { type: "button", className: look }, ...(mark ? [icon(mark)] : []), text("span", name, values));
  made.addEventListener("click", action);
  return made;
}

/** Return the heading of a page with its tools. */
export function heading(name, ...tools) {
  return make("div", { className: "heading" }, text("h2", name), make("div", { className: "heading-tools" }, ...tools));
}

/** Return what is seen while something is asked for. */
export function loading(rows = 3) {
  const bars = Array.from({ length: rows }, () => make("div", { className: "ghost" }));
  const holder = make("div", { className: "ghosts" }, text("span", "admin.loading", {}, { className: "unseen" }), ...bars);
  holder.setAttribute("role", "status");
  return holder;
}

/** Return what is seen where there is nothing yet, with what to do about it. */
export function nothing(name, hint, ...actions) {
  return make("div", { className: "nothing" }, text("h3", name), text("p", hint), ...actions);
}

/** Return an error with its words, and a button that tries again. */
export function failure(error, again) {
  const words = make("p", {}, error.message);
  const holder = make("div", { className: "failure" }, text("h3", "admin.failed"), words);
  holder.setAttribute("role", "alert");
  if (error.requestId) holder.append(make("p", { className: "hint mono" }, `${t("error.request_id")} ${error.requestId}`));
  if (again) holder.append(button("admin.again", again, { mark: "again" }));
  return holder;
}

/** Return a labelled field; the hint is read with it. */
export function field(label, control, hint) {
  const holder = make("div", { className: "field" }, Object.assign(text("label", label), { htmlFor: control.id }), control);
  if (hint) {
    holder.append(text("p", hint, {}, { className: "hint", id: `${control.id}-hint` }));
    control.setAttribute("aria-describedby", `${control.id}-hint`);
  }
  return holder;
}

/** Return a choice among `[value, element]`s. */
export function choice(id, options, chosen = "") {
  const select = make("select", { id }, ...options.map(([value, option]) => Object.assign(option, { value })));
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  return select;
}

/** Return a label that says how something stands. */
export function badge(state, name, values = {}) {
  const made = text("span", name, values, { className: "badge" });
  made.dataset.state = state;
  return made;
}

/** Show a dialog until it is closed; `close` is handed to what fills it. */
export function dialog(title, fill, onClose = () => {}) {
  const box = make("dialog", { className: "dialog" });
  const shut = make("button", { type: "button", className: "quiet icon-only" }, icon("close"));
  setLabel(shut, "admin.close");
  const name = Object.assign(title, { id: "dialog-title" });
  box.setAttribute("aria-labelledby", name.id);
  box.append(make("div", { className: "dialog-bar" }, name, shut));
  const close = () => box.close();
  shut.addEventListener("click", close);
  box.addEventListener("close", () => {
    box.remove();
    onClose();
  });
  fill(box, close);
  document.body.append(box);
  box.showModal();
  return box;
}

/** Ask before something that cannot be taken back; resolves to whether it shall be done. */
export function ask(title, lines, action) {
  return new Promise((resolve) => {
    let agreed = false;
    const fill = (box, close) => {
      const yes = button(action, () => {
        agreed = true;
        close();
      }, { look: "danger" });
      const no = Object.assign(button("admin.cancel", close), { autofocus: true });
      box.append(make("div", { className: "dialog-body" }, ...lines), make("div", { className: "dialog-foot" }, no, yes));
    };
    dialog(title, fill, () => resolve(agreed));
  });
}

/** Run what a form does; an error is shown in the form, and the field that is to blame is marked. */
export async function attempt(form, action) {
  const problem = form.querySelector(".form-problem");
  const submit = form.querySelector("[type=submit]");
  for (const one of form.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
  problem.hidden = true;
  submit.disabled = true;
  let failed = null;
  let result = null;
  try {
    result = await action();
  } catch (error) {
    failed = error;
  }
  submit.disabled = false;
  if (!failed) return result;
  problem.hidden = false;
  problem.textContent = failed.message;
  const blamed = failed.param && form.querySelector(`[name="${CSS.escape(failed.param)}"]`);
  blamed?.setAttribute("aria-invalid", "true");
  (blamed || submit).focus();
  return null;
}
