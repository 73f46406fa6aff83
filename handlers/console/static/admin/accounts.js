// The accounts: who has signed in, what is used of their windows, signing in and out.

import { shownAllowance } from "../allowance.js";
import { make } from "../elements.js";
import { setText } from "../i18n.js";
import { date } from "./format.js";
import { ask, badge, button, failure, heading, loading, nothing, text } from "./parts.js";
import { signInDialog } from "./sign_in.js";

const STATES = { signed_in: "good", over: "bad", elsewhere: "warn" };

export class Accounts {
  /** `onMakeKey` is told the account for which the operator wants a key. */
  constructor(api, onMakeKey) {
    this.api = api;
    this.onMakeKey = onMakeKey;
    this.usages = new Map(); // by id: what is used, or the error
    const add = button("admin.sign_in", () => this.#signIn(), { look: "primary", mark: "new" });
    this.body = make("div", {}, loading());
    this.element = make("section", { className: "page" }, heading("admin.accounts", add), this.body);
    this.element.id = "page-accounts";
  }

  /** Ask for the accounts, then for what each has used. */
  async refresh() {
    try {
      this.found = await this.api.accounts();
      this.render();
      await Promise.all(this.found.map((account) => this.#look(account)));
    } catch (error) {
      if (error.status === 401) throw error;
      this.body.replaceChildren(failure(error, () => this.refresh()));
    }
  }

  async #look(account) {
    if (account.state !== "signed_in") return;
    try {
      this.usages.set(account.id, await this.api.usage(account.id));
    } catch (error) {
      this.usages.set(account.id, error);
    }
    const card = this.body.querySelector(`[data-account="${account.id}"]`);
    card?.querySelector(".windows").replaceWith(this.#windows(account));
  }

  /** Show what is known in the language of the page. */
  render() {
    if (!this.found) return;
    if (!this.found.length) {
      this.body.replaceChildren(nothing("admin.accounts.none", "admin.accounts.none.hint", button("admin.sign_in", () => this.#signIn(), { look: "primary" })));
      return;
    }
    this.body.replaceChildren(make("div", { className: "cards" }, ...this.found.map((account) => this.#card(account))));
  }

  #card(account) {
    const plan = account.plan ? make("span", { className: "badge plain" }, account.plan) : "";
    const title = make("h3", {}, account.name, plan, badge(STATES[account.state], `admin.account.${account.state}`));
    const facts = make("p", { className: "hint" }, `${account.email} · `, text("span", "admin.since", { date: date(account.created_at) }));
    const keys = account.keys.length ? text("p", "admin.keys.of", { names: account.keys.join(", ") }, { className: "hint" }) : text("p", "admin.keys.of.none", {}, { className: "hint" });
    const make_ = button("admin.key.make", () => this.onMakeKey(account.id), { mark: "new" });
    const again = button("admin.sign_in.again", () => this.#signIn());
    const remove = button("admin.account.remove", () => this.#remove(account), { look: "quiet" });
    const card = make("article", { className: "card" }, title, facts, this.#windows(account), keys, make("div", { className: "card-foot" }, account.state === "signed_in" ? make_ : again, remove));
    card.dataset.account = account.id;
    return card;
  }

  #windows(account) {
    const holder = make("div", { className: "windows" });
    const usage = this.usages.get(account.id);
    if (account.state !== "signed_in") {
      holder.append(text("p", `admin.account.${account.state}.hint`, {}, { className: "hint" }));
    } else if (usage === undefined) {
      holder.append(loading(2));
    } else if (usage instanceof Error) {
      holder.append(text("p", "admin.usage.failed", { message: usage.message }, { className: "problem" }));
    } else {
      holder.append(...shownAllowance(usage));
      if (!holder.childElementCount) holder.append(text("p", "usage.none", {}, { className: "hint" }));
    }
    return holder;
  }

  #signIn() {
    signInDialog(this.api, {
      onSignedIn: () => this.refresh(),
      onMakeKey: this.onMakeKey,
    });
  }

  async #remove(account) {
    const revokes = make("input", { type: "checkbox", id: "revoke-keys", checked: true });
    const keeps = make("input", { type: "checkbox", id: "keep-tokens" });
    const option = (box, name, values) => make("label", { className: "option" }, box, text("span", name, values));
    const lines = [text("p", "admin.account.remove.hint")];
    if (account.keys.length) lines.push(option(revokes, "admin.account.remove.keys", { names: account.keys.join(", ") }));
    lines.push(option(keeps, "admin.account.remove.keep"));
    const title = setText(make("h2"), "admin.account.remove.ask", { name: account.name });
    if (!(await ask(title, lines, "admin.account.remove"))) return;
    try {
      await this.api.removeAccount(account.id, { revoke_keys: revokes.checked, keep_tokens: keeps.checked });
      await this.refresh();
    } catch (error) {
      this.body.prepend(failure(error));
    }
  }
}
