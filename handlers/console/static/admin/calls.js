// The log of calls as a table that filters and pages.

import { make, oncePerFrame } from "../elements.js";
import { t } from "../i18n.js";
import { duration, exactly, short, size } from "./format.js";
import { badge, button, choice, failure, heading, loading, nothing, text } from "./parts.js";

const PAGE = 50;
const TRIES = 8; // pages that hold nothing, before the operator is asked to go on
const TYPED_MS = 350;
const RANGES = { hour: 3600, day: 86400, week: 604800, month: 2592000 };
const OUTCOMES = ["complete", "length", "filtered", "refused", "cut", "silent", "failed", "empty", "abandoned", "shutdown"];
const DIALECTS = ["chat", "completions", "responses", "messages", "images", "speech", "transcriptions"];
const GOOD = ["complete", "length"];
const CALM = ["abandoned", "filtered"];

export class Calls {
  constructor(api) {
    this.api = api;
    this.filters = { range: "day", key: "", outcome: "", dialect: "", model: "", status: "" };
    this.before = []; // where the pages before this one begin
    this.at = null; // where this page begins
    this.bar = make("form", { className: "filters" });
    this.bar.addEventListener("submit", (event) => event.preventDefault());
    this.body = make("div", {}, loading(6));
    this.element = make("section", { className: "page" }, heading("admin.calls"), this.bar, this.body);
    this.element.id = "page-calls";
  }

  /** Whether the page shows the newest calls, so that it may be asked for anew. */
  get isNewest() {
    return this.at === null;
  }

  /** Show the calls of a key. */
  of(key) {
    this.filters = { ...this.filters, key, range: "month", outcome: "", dialect: "", model: "", status: "" };
    this.#first();
    if (this.names) this.#drawFilters();
  }

  /** Ask for the page, and show it. */
  async refresh() {
    const turn = (this.turn = {}); // a later one is shown in its place
    try {
      const [page, keys] = await Promise.all([this.#page(), this.api.keys()]);
      if (turn !== this.turn) return;
      this.found = page;
      const names = new Map(keys.map(({ id, name }) => [id, name]));
      const isNew = !this.names || [...names.keys()].join() !== [...this.names.keys()].join();
      this.names = names;
      if (isNew) this.#drawFilters();
      this.#drawTable();
    } catch (error) {
      if (error.status === 401) throw error;
      if (turn === this.turn) this.body.replaceChildren(failure(error, () => this.refresh()));
    }
  }

  /** Show what is known in the language of the page. */
  render() {
    if (!this.found) return;
    this.#drawFilters();
    this.#drawTable();
  }

  async #page() {
    const { range, ...wanted } = this.filters;
    const since = RANGES[range] ? Math.floor(Date.now() / 1000) - RANGES[range] : "";
    let after = this.at;
    for (let tries = 1; ; tries += 1) {
      const page = await this.api.calls({ ...wanted, since, limit: PAGE, after });
      if (page.data.length || !page.next || tries === TRIES) return page;
      after = page.next;
    }
  }

  #first() {
    this.before = [];
    this.at = null;
  }

  #filter(name, value) {
    this.filters[name] = value;
    this.#first();
    this.refresh();
  }

  #drawFilters() {
    const named = (words, prefix) => words.map((word) => [word, text("option", `${prefix}${word}`)]);
    const keys = [...this.names].map(([id, name]) => [id, make("option", {}, name)]);
    const selects = {
      range: [...named(Object.keys(RANGES), "admin.within."), ["", text("option", "admin.within.any")]],
      key: [["", text("option", "admin.any.key")], ...keys],
      outcome: [["", text("option", "admin.any.outcome")], ...named(OUTCOMES, "admin.outcome.")],
      dialect: [["", text("option", "admin.any.dialect")], ...DIALECTS.map((name) => [name, make("option", {}, name)])],
    };
    const controls = Object.entries(selects).map(([name, options]) => {
      const select = choice(`calls-${name}`, options, this.filters[name]);
      select.addEventListener("change", () => this.#filter(name, select.value));
      return labelled(`admin.filter.${name}`, select);
    });
    const typed = ["model", "status"].map((name) => {
      const input = make("input", { id: `calls-${name}`, value: this.filters[name], autocomplete: "off", spellcheck: false, size: name === "status" ? 4 : 14, placeholder: t(`admin.any.${name}`) });
      if (name === "status") input.inputMode = "numeric";
      let timer = 0;
      input.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(() => this.#filter(name, input.value.trim()), TYPED_MS);
      });
      return labelled(`admin.filter.${name}`, input);
    });
    this.bar.replaceChildren(...controls, ...typed);
  }

  #drawTable() {
    const { data, next } = this.found;
    if (!data.length) {
      const isFiltered = Object.values(this.filters).some(Boolean);
      this.body.replaceChildren(nothing("admin.calls.none", isFiltered ? "admin.calls.none.filter" : "admin.calls.none.hint"), this.#pager(next));
      return;
    }
    const heads = ["time", "key", "model", "dialect", "outcome", "first", "total", "tokens", "bytes"];
    const head = heads.map((name) => Object.assign(text("th", `admin.column.${name}`), { scope: "col", className: `column-${name}` }));
    const caption = text("caption", "admin.calls", {}, { className: "unseen" });
    const table = make("table", { className: "calls" }, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...data.map((call) => this.#row(call))));
    const holder = make("div", { className: "scrolled", tabIndex: 0 }, table);
    holder.setAttribute("role", "region");
    holder.setAttribute("aria-label", t("admin.calls"));
    this.body.replaceChildren(holder, this.#pager(next));
  }

  #row(call) {
    const cell = (name, ...children) => {
      const made = make("td", { className: `column-${name}` }, ...children);
      made.dataset.name = t(`admin.column.${name}`);
      return made;
    };
    const isOther = call.upstream_model && call.upstream_model !== call.model;
    const tokens = call.prompt_tokens === null && call.completion_tokens === null ? "–" : `${short(call.prompt_tokens ?? 0)} + ${short(call.completion_tokens ?? 0)}`;
    const time = Object.assign(make("time", {}, exactly(call.at)), { dateTime: new Date(call.at * 1000).toISOString() });
    return make(
      "tr",
      {},
      cell("time", time, make("small", { className: "mono" }, call.request_id)),
      cell("key", call.key ? (this.names.get(call.key) ?? t("admin.gone", { id: call.key })) : make("span", { className: "soft" }, t("admin.no.key"))),
      cell("model", call.model ?? "–", ...(isOther ? [make("small", {}, `→ ${call.upstream_model}`)] : [])),
      cell("dialect", call.dialect, ...(call.upstream ? [make("small", {}, call.upstream)] : [])),
      cell("outcome", this.#outcome(call)),
      cell("first", duration(call.first_token_ms)),
      cell("total", duration(call.total_ms)),
      cell("tokens", tokens, ...(call.is_estimated && tokens !== "–" ? [text("small", "admin.estimated")] : [])),
      cell("bytes", size(call.bytes)),
    );
  }

  #outcome({ outcome, status }) {
    const state = GOOD.includes(outcome) ? "good" : CALM.includes(outcome) ? "quiet" : outcome === "refused" || !outcome ? "warn" : "bad";
    const made = outcome ? badge(state, `admin.outcome.${outcome}`) : badge(status < 400 ? "quiet" : state, status < 400 ? "admin.outcome.answered" : "admin.outcome.refused_here");
    return make("span", { className: "outcome" }, made, make("small", { className: "mono" }, String(status)));
  }

  #pager(next) {
    const newer = button("admin.newer", () => this.#go(() => (this.at = this.before.pop() ?? null)));
    const older = button("admin.older", () => this.#go(() => {
      this.before.push(this.at);
      this.at = next;
    }));
    newer.disabled = this.isNewest;
    older.disabled = !next;
    const where = text("span", "admin.page", { number: this.before.length + 1 }, { className: "hint" });
    return make("div", { className: "pager" }, newer, where, older);
  }

  #go(move) {
    move();
    this.refresh().then(oncePerFrame(() => this.element.scrollIntoView({ block: "start" })));
  }
}

function labelled(name, control) {
  return make("div", { className: "filter" }, Object.assign(text("label", name), { htmlFor: control.id }), control);
}
