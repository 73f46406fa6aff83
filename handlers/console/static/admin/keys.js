// The gateway keys: what each has used, added, changed and revoked here.

import { measured, moment, until } from "../allowance.js";
import { copyButton } from "../clipboard.js";
import { make } from "../elements.js";
import { setText, t } from "../i18n.js";
import { date, short, whole } from "./format.js";
import { keyDialog } from "./key_form.js";
import { ask, button, dialog, failure, heading, loading, nothing, text } from "./parts.js";
import { groups } from "./totals.js";

const DAYS = 30;
const DAY_SECONDS = 86400;

export class Keys {
  constructor(api, onCalls) {
    this.api = api;
    this.onCalls = onCalls;
    const add = button("admin.key.make", () => this.add(), { look: "primary", mark: "new" });
    this.body = make("div", {}, loading());
    this.element = make("section", { className: "page" }, heading("admin.keys", add), this.body);
    this.element.id = "page-keys";
  }

  /** Ask for keys, accounts and what was used in a month. */
  async refresh() {
    const now = Math.floor(Date.now() / 1000);
    const since = now - DAYS * DAY_SECONDS;
    try {
      const [keys, accounts, totals] = await Promise.all([
        this.api.keys(),
        this.api.accounts(),
        this.api.totals({ step: "day", by: "key", since, until: now + 1 }),
      ]);
      this.found = keys;
      this.accounts = accounts;
      this.used = new Map(groups(totals.data).map((one) => [one.group, one]));
      this.render();
    } catch (error) {
      if (error.status === 401) throw error;
      this.body.replaceChildren(failure(error, () => this.refresh()));
    }
  }

  /** Show what is known in the language of the page. */
  render() {
    if (!this.found) return;
    if (!this.found.length) {
      const isReady = this.accounts.length > 0;
      const hint = isReady ? "admin.keys.none.hint" : "admin.keys.none.account";
      const action = isReady ? button("admin.key.make", () => this.add(), { look: "primary" }) : make("a", { href: "#accounts", className: "button primary" }, t("admin.sign_in"));
      this.body.replaceChildren(nothing("admin.keys.none", hint, action));
      return;
    }
    this.body.replaceChildren(make("div", { className: "cards" }, ...this.found.map((key) => this.#card(key))));
  }

  /** Let the operator make a key; `account` is chosen from the start. */
  async add(account = "") {
    if (!this.accounts) await this.refresh();
    if (!this.accounts?.length) {
      location.hash = "#accounts";
      return;
    }
    const made = await keyDialog({ accounts: this.accounts, account, send: (fields) => this.api.addKey(fields) });
    if (!made) return;
    this.refresh();
    showSecret(made);
  }

  #card(key) {
    const account = this.accounts.find(({ id }) => id === key.account);
    const of = key.account === null ? t("admin.key.of.token") : (account?.name ?? t("admin.key.of.removed"));
    const title = make("h3", {}, key.name, make("code", { className: "id" }, key.id));
    const facts = make("p", { className: "hint" }, text("span", "admin.key.of", { account: of }), " · ", text("span", "admin.since", { date: date(key.created_at) }));
    const foot = make("div", { className: "card-foot" }, button("admin.key.change", () => this.#change(key)), button("admin.key.calls", () => this.onCalls(key.id), { look: "quiet" }), button("admin.key.revoke", () => this.#revoke(key), { look: "quiet" }));
    return make("article", { className: "card" }, title, facts, this.#limits(key), this.#budgets(key), this.#month(key), foot);
  }

  #limits(key) {
    const parts = [];
    if (key.requests_per_minute) parts.push(t("admin.limit.minute", { count: whole(key.requests_per_minute) }));
    if (key.concurrent_requests) parts.push(t("admin.limit.once", { count: whole(key.concurrent_requests) }));
    if (key.models.length) parts.push(t("admin.limit.models", { names: key.models.join(", ") }));
    if (key.shows_account) parts.push(t("admin.limit.shows"));
    if (!parts.length && key.used.length) return "";
    return make("p", { className: "hint" }, parts.join(" · ") || t("admin.limit.none"));
  }

  #budgets(key) {
    return make("div", { className: "windows" }, ...key.used.map(shownBudget));
  }

  #month(key) {
    const used = this.used.get(key.id);
    if (!used) return text("p", "admin.key.unused", { days: DAYS }, { className: "hint" });
    return text("p", "admin.key.used", { days: DAYS, calls: whole(used.calls), tokens: short(used.prompt + used.completion) });
  }

  async #change(key) {
    if (await keyDialog({ key, send: (fields) => this.api.changeKey(key.id, fields) })) this.refresh();
  }

  async #revoke(key) {
    const title = setText(make("h2"), "admin.key.revoke.ask", { name: key.name });
    if (!(await ask(title, [text("p", "admin.key.revoke.hint")], "admin.key.revoke"))) return;
    try {
      await this.api.revokeKey(key.id);
      await this.refresh();
    } catch (error) {
      this.body.prepend(failure(error));
    }
  }
}

/** Return how much is used of a budget. */
function shownBudget({ unit, window, limit, used, renews_at: renews }) {
  const label = t(`admin.budget.${unit}.${window.replace("5_hours", "hours")}`);
  const figures = `${short(used)} / ${short(limit)}`;
  const renewal = renews ? t("usage.renews", { left: until(renews), time: moment(renews) }) : t("admin.budget.unused");
  const told = t("admin.budget.used", { name: label, used: whole(used), limit: whole(limit) });
  return measured({ label, figures, share: used / limit, told, renewal });
}

/** Show a key that was made: the only time that it is seen. */
function showSecret({ key, secret }) {
  const fill = (box, close) => {
    box.addEventListener("cancel", (event) => event.preventDefault()); // Escape would lose it
    const shown = make("output", { className: "secret-shown mono" }, secret);
    const copy = Object.assign(copyButton(() => secret), { autofocus: true });
    const done = button("admin.done", close, { look: "primary" });
    const body = make("div", { className: "dialog-body" }, text("p", "admin.key.once"), make("div", { className: "code-line" }, shown, copy), text("p", "admin.key.once.hint", {}, { className: "hint" }));
    box.append(body, make("div", { className: "dialog-foot" }, done));
  };
  dialog(setText(make("h2"), "admin.key.made", { name: key.name }), fill);
}
