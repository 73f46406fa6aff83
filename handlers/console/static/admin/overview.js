// The overview: calls, tokens, outcomes and times to the first token, by hour and day.

import { moment, percent } from "../allowance.js";
import { make } from "../elements.js";
import { t } from "../i18n.js";
import { Chart } from "./chart.js";
import { day, duration, hour, short, whole } from "./format.js";
import { choice, failure, heading, loading, nothing, text } from "./parts.js";
import { byStep, firstTokenAt, groups, sums } from "./totals.js";

const RANGES = {
  hours: { step: "hour", seconds: 3600, steps: 24 },
  week: { step: "day", seconds: 86400, steps: 7 },
  month: { step: "day", seconds: 86400, steps: 30 },
};
const MOST_KEYS = 4; // that have a colour of their own
const ENDINGS = {
  complete: ["complete", "length"],
  filtered: ["filtered"],
  refused: ["refused", ""],
  broken: ["cut", "silent", "failed", "empty", "shutdown"],
  abandoned: ["abandoned"],
};
const TONES = { complete: "a", filtered: "d", refused: "b", broken: "bad", abandoned: "quiet" };

export class Overview {
  constructor(api) {
    this.api = api;
    this.range = "hours";
    this.key = "";
    this.charts = {
      calls: new Chart({ name: "admin.chart.calls", kind: "bars", format: short }),
      tokens: new Chart({ name: "admin.chart.tokens", kind: "bars", format: short }),
      outcomes: new Chart({ name: "admin.chart.outcomes", kind: "bars", format: short }),
      first: new Chart({ name: "admin.chart.first", kind: "lines", format: duration, isWhole: false }),
    };
    this.body = make("div", {}, loading(4));
    this.tools = make("div", { className: "filters" });
    this.element = make("section", { className: "page" }, heading("admin.overview"), this.tools, this.body);
    this.element.id = "page-overview";
  }

  /** Ask for the sums, and show them. */
  async refresh() {
    const { step, seconds, steps } = RANGES[this.range];
    const now = Math.floor(Date.now() / 1000);
    const first = Math.floor(now / seconds) * seconds - (steps - 1) * seconds;
    const turn = (this.turn = {}); // a later one is shown in its place
    const wanted = { step, since: first, until: now + 1, key: this.key };
    try {
      const [outcomes, keys, models, known] = await Promise.all([
        this.api.totals({ ...wanted, by: "outcome" }),
        this.api.totals({ ...wanted, by: "key" }),
        this.api.totals({ ...wanted, by: "model" }),
        this.api.keys(),
      ]);
      if (turn !== this.turn) return;
      this.found = { first, seconds, steps, step, outcomes, keys: keys.data, models: models.data };
      this.names = new Map(known.map(({ id, name }) => [id, name]));
      this.render();
    } catch (error) {
      if (error.status === 401) throw error;
      if (turn === this.turn) this.body.replaceChildren(failure(error, () => this.refresh()));
    }
  }

  /** Show what is known in the language of the page. */
  render() {
    if (!this.found) return;
    this.#drawTools();
    const { outcomes } = this.found;
    if (!outcomes.data.length) {
      this.body.replaceChildren(nothing("admin.overview.none", this.key ? "admin.overview.none.key" : "admin.overview.none.hint"));
      return;
    }
    this.#drawCharts();
    const { calls, tokens, outcomes: endings, first } = this.charts;
    const grid = make("div", { className: "charts" }, calls.element, tokens.element, endings.element, first.element);
    const lists = make("div", { className: "charts" }, this.#ranking("admin.by.key", this.found.keys, (id) => this.#keyName(id)), this.#ranking("admin.by.model", this.found.models, (name) => name || t("admin.none")));
    this.body.replaceChildren(this.#figures(), grid, lists);
    if (this.found.step === "day") this.body.append(text("p", "admin.utc", {}, { className: "hint" }));
  }

  #drawTools() {
    const ranges = Object.keys(RANGES).map((name) => {
      const one = make("button", { type: "button", value: name }, text("span", `admin.range.${name}`));
      one.setAttribute("aria-pressed", String(name === this.range));
      one.addEventListener("click", () => {
        this.range = name;
        this.refresh();
        this.tools.querySelector(`[value=${name}]`)?.focus();
      });
      return one;
    });
    const group = make("div", { className: "segments" }, ...ranges);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", t("admin.range"));
    const keys = choice("overview-key", [["", text("option", "admin.any.key")], ...[...this.names].map(([id, name]) => [id, make("option", {}, name)])], this.key);
    keys.setAttribute("aria-label", t("admin.filter.key"));
    keys.addEventListener("change", () => {
      this.key = keys.value;
      this.refresh();
    });
    this.tools.replaceChildren(group, keys);
  }

  #figures() {
    const all = sums(this.found.outcomes.data);
    const complete = sums(this.found.outcomes.data.filter(({ group }) => ENDINGS.complete.includes(group))).calls;
    const figures = {
      "admin.figure.calls": whole(all.calls),
      "admin.figure.tokens": short(all.prompt + all.completion),
      "admin.figure.complete": all.calls ? percent(complete / all.calls) : "–",
      "admin.figure.first": duration(firstTokenAt(0.5, all.counts, this.found.outcomes.first_token_bounds_ms)),
    };
    const shown = Object.entries(figures).map(([name, value]) => make("div", {}, text("dt", name), make("dd", {}, value)));
    return make("dl", { className: "figures" }, ...shown);
  }

  #drawCharts() {
    const { outcomes, first, seconds, steps, step } = this.found;
    const bounds = outcomes.first_token_bounds_ms;
    const places = Array.from({ length: steps }, (_, at) => first + at * seconds);
    const named = places.map((at) => (step === "hour" ? { label: hour(at), long: moment(at) } : { label: day(at), long: day(at) }));
    const each = byStep(outcomes.data, places);
    const all = sums(outcomes.data);
    this.charts.calls.show({ figure: t("admin.of.calls", { count: whole(all.calls) }), steps: named, series: this.#callsByKey(places) });
    this.charts.tokens.show({
      figure: t("admin.of.tokens", { input: short(all.prompt), output: short(all.completion) }),
      steps: named,
      series: [
        { label: t("admin.tokens.in"), tone: "a", values: each.map((one) => one.prompt) },
        { label: t("admin.tokens.out"), tone: "b", values: each.map((one) => one.completion) },
      ],
    });
    const broken = sums(outcomes.data.filter(({ group }) => ENDINGS.broken.includes(group))).calls;
    this.charts.outcomes.show({ figure: t("admin.of.broken", { count: whole(broken) }), steps: named, series: this.#callsByEnding(places) });
    const half = firstTokenAt(0.5, all.counts, bounds);
    const times = (share) => each.map((one) => firstTokenAt(share, one.counts, bounds));
    this.charts.first.show({
      figure: half === null ? t("admin.of.first.none") : t("admin.of.first", { time: duration(half) }),
      steps: named,
      series: [
        { label: t("admin.first.half"), tone: "a", values: times(0.5) },
        { label: t("admin.first.most"), tone: "b", values: times(0.95) },
      ],
    });
  }

  #callsByKey(places) {
    const ranked = groups(this.found.keys).map(({ group }) => group);
    const named = ranked.slice(0, MOST_KEYS);
    const series = named.map((id, at) => {
      const values = byStep(this.found.keys.filter(({ group }) => group === id), places);
      return { label: this.#keyName(id), tone: "abcd"[at], values: values.map(({ calls }) => calls) };
    });
    if (ranked.length > MOST_KEYS) {
      const rest = byStep(this.found.keys.filter(({ group }) => !named.includes(group)), places);
      series.push({ label: t("admin.others"), tone: "quiet", values: rest.map(({ calls }) => calls) });
    }
    return series;
  }

  #callsByEnding(places) {
    return Object.entries(ENDINGS).map(([name, outcomes]) => {
      const of = this.found.outcomes.data.filter(({ group }) => outcomes.includes(group));
      return { label: t(`admin.ending.${name}`), tone: TONES[name], values: byStep(of, places).map(({ calls }) => calls) };
    });
  }

  #ranking(name, totals, naming) {
    const ranked = groups(totals).slice(0, 6);
    const most = Math.max(1, ...ranked.map(({ calls }) => calls));
    const rows = ranked.map(({ group, calls, prompt, completion }) => {
      const bar = make("i", { className: "share" });
      bar.style.width = `${(calls / most) * 100}%`;
      const label = Object.assign(make("th", {}, naming(group), bar), { scope: "row" });
      return make("tr", {}, label, make("td", {}, whole(calls)), make("td", {}, short(prompt + completion)));
    });
    const head = ["admin.name", "admin.figure.calls", "admin.figure.tokens"].map((one) => Object.assign(text("th", one), { scope: "col" }));
    const table = make("table", { className: "plain ranking" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
    return make("section", { className: "chart" }, text("h3", name), table);
  }

  #keyName(id) {
    if (!id) return t("admin.no.key");
    return this.names.get(id) ?? t("admin.gone", { id });
  }
}
