// Signing an account in: a code to copy, the page to type it in at, and how far it has come.

import { copyButton } from "../clipboard.js";
import { icon, make } from "../elements.js";
import { setText, t } from "../i18n.js";
import { clock } from "./format.js";
import { attempt, button, dialog, field, text } from "./parts.js";

const ASK_MS = 1500;
const TICK_MS = 1000;

/** Open the dialog; it asks for a name first. */
export function signInDialog(api, { onSignedIn, onMakeKey }) {
  const sign = new SignIn(api, onSignedIn, onMakeKey);
  dialog(setText(make("h2"), "admin.sign_in"), (box, close) => sign.fill(box, close), () => sign.closed());
}

class SignIn {
  constructor(api, onSignedIn, onMakeKey) {
    Object.assign(this, { api, onSignedIn, onMakeKey });
    this.timers = [];
  }

  fill(box, close) {
    this.close = close;
    const name = make("input", { id: "sign-in-name", name: "name", autofocus: true, maxLength: 64, autocomplete: "off", spellcheck: false });
    const problem = make("p", { className: "problem form-problem", role: "alert", hidden: true });
    const submit = Object.assign(text("button", "admin.sign_in.begin"), { type: "submit", className: "primary" });
    const form = make("form", { className: "dialog-body" }, text("p", "admin.sign_in.hint"), field("admin.sign_in.name", name, "admin.sign_in.name.hint"), problem, make("div", { className: "dialog-foot" }, button("admin.cancel", close), submit));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const begun = await attempt(form, () => this.api.beginSignIn(name.value.trim()));
      if (begun) this.#wait(form, begun);
    });
    box.append(form);
  }

  /** Show the code, and ask again and again how far it has come. */
  #wait(form, begun) {
    this.begun = begun;
    const code = make("output", { className: "code-shown mono" }, begun.user_code);
    code.setAttribute("aria-label", t("admin.sign_in.code", { code: [...begun.user_code].join(" ") }));
    const open = make("a", { href: begun.address, target: "_blank", rel: "noopener noreferrer", className: "button primary" }, icon("out"), text("span", "admin.sign_in.open"));
    const first = make("li", {}, text("p", "admin.sign_in.step.copy"), make("div", { className: "code-line" }, code, copyButton(() => begun.user_code)));
    const second = make("li", {}, text("p", "admin.sign_in.step.open"), open, make("p", { className: "hint mono" }, begun.address));
    this.state = make("p", { className: "live" }, make("i", { className: "pulse" }), this.words = text("span", "admin.sign_in.waiting", { left: clock(begun.expires_at) }));
    this.state.dataset.state = "waiting";
    this.told = make("p", { className: "unseen" });
    this.told.setAttribute("role", "status");
    const steps = make("div", { className: "dialog-body" }, make("ol", { className: "steps" }, first, second), text("p", "admin.sign_in.warning", {}, { className: "hint" }), this.state, this.told);
    this.foot = make("div", { className: "dialog-foot" }, button("admin.sign_in.end", () => this.#end()));
    steps.append(this.foot);
    form.replaceWith(steps);
    setText(this.told, "admin.sign_in.told", { code: [...begun.user_code].join(" ") });
    open.focus();
    this.timers = [setInterval(() => this.#tick(), TICK_MS), setInterval(() => this.#ask(), ASK_MS)];
  }

  #tick() {
    setText(this.words, "admin.sign_in.waiting", { left: clock(this.begun.expires_at) });
  }

  async #ask() {
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      const now = await this.api.signIn(this.begun.id);
      if (now.state !== "waiting") this.#over(now);
    } catch (error) {
      if (error.status) this.#over({ state: "failed", problem: error.message }); // else the network is away
    } finally {
      this.isAsking = false;
    }
  }

  #over({ state, problem, account }) {
    this.#stop();
    this.isOver = true;
    this.state.dataset.state = state;
    if (state === "signed_in") setText(this.words, "admin.sign_in.done", { name: account.name, email: account.email });
    else if (problem) setText(this.words, "admin.sign_in.failed", { problem });
    else setText(this.words, "admin.sign_in.ended");
    this.told.textContent = this.words.textContent;
    const done = button("admin.done", this.close, { look: account ? "" : "primary" });
    this.foot.replaceChildren(done);
    if (account) {
      const next = () => {
        this.close();
        this.onMakeKey(account.id);
      };
      this.foot.append(button("admin.key.make", next, { look: "primary", mark: "new" }));
      this.onSignedIn(account);
    }
    this.foot.lastElementChild.focus();
  }

  #end() {
    this.close();
  }

  /** A dialog that is closed while it waits ends the sign-in. */
  closed() {
    this.#stop();
    if (this.begun && !this.isOver) this.api.endSignIn(this.begun.id).catch(() => {});
  }

  #stop() {
    for (const timer of this.timers) clearInterval(timer);
  }
}
