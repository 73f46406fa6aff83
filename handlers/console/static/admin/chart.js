// A chart in plain SVG: bars that are stacked, or lines; its numbers are in a table as well.

import { make } from "../elements.js";
import { text } from "./parts.js";

const HEIGHT = 190;
const LEFT = 46;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 24;
const TICKS = 4;
const LABEL_WIDTH = 64;

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Return the next higher of 1, 2, 2.5, 5, 10, 20, … */
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].find((step) => step * power >= value) * power;
}

export class Chart {
  /**
   * @param name of the text above it.
   * @param kind "bars" or "lines".
   * @param format of a value.
   * @param isWhole whether values have no fractions.
   */
  constructor({ name, kind, format, isWhole = true }) {
    Object.assign(this, { kind, format, isWhole });
    this.name = name;
    this.figure = make("p", { className: "chart-figure" });
    this.readout = make("p", { className: "chart-readout" });
    this.legend = make("ul", { className: "legend" });
    this.plot = make("div", { className: "plot" });
    this.numbers = make("details", { className: "numbers" });
    this.element = make("section", { className: "chart" });
    this.element.append(text("h3", name), this.figure, this.plot, this.legend, this.numbers);
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerleave", () => this.#unpoint());
    new ResizeObserver(() => this.#draw()).observe(this.plot);
  }

  /**
   * Show values.
   * @param figure the words above the chart.
   * @param steps the names of the steps, `{label, long}`.
   * @param series `{label, tone, values}`; a value of null is none.
   */
  show({ figure, steps, series }) {
    this.steps = steps;
    this.series = series;
    this.figure.textContent = figure;
    this.legend.hidden = series.length < 2;
    this.legend.replaceChildren(...series.map(({ label, tone }) => make("li", {}, swatch(tone), label)));
    this.#tabulate();
    this.#draw();
  }

  #draw() {
    const width = this.plot.clientWidth;
    if (!this.series || !width) return;
    const scale = this.#scale();
    const inner = width - LEFT - RIGHT;
    this.geometry = { inner, slot: inner / this.steps.length };
    this.marker = svg("rect", { class: "marker", y: TOP, height: HEIGHT - TOP - BOTTOM, width: this.geometry.slot, visibility: "hidden" });
    const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
    picture.setAttribute("aria-label", `${this.element.firstChild.textContent}: ${this.figure.textContent}`);
    picture.append(this.marker, ...this.#grid(width, scale), ...this.#labels());
    const marks = this.kind === "bars" ? this.#bars(scale) : this.#lines(scale);
    picture.append(...marks);
    this.plot.replaceChildren(picture, this.readout);
    this.#unpoint();
  }

  /** Return what turns a value into a height, and where the lines of the grid are. */
  #scale() {
    const sums = this.steps.map((_, at) => {
      const values = this.series.map(({ values: all }) => all[at] ?? 0);
      return this.kind === "bars" ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values);
    });
    const most = Math.max(...sums, this.isWhole ? TICKS : 1);
    let step = rounded(most / TICKS);
    if (this.isWhole) step = Math.max(1, Math.ceil(step));
    const top = step * Math.ceil(most / step);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    return { y, ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step) };
  }

  #grid(width, { y, ticks }) {
    return ticks.flatMap((tick) => [
      svg("line", { class: tick ? "grid" : "ground", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "tick", x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, this.format(tick)),
    ]);
  }

  #labels() {
    const { inner } = this.geometry;
    const every = Math.max(1, Math.ceil(this.steps.length / Math.max(1, Math.floor(inner / LABEL_WIDTH))));
    const last = this.steps.length - 1;
    return this.steps.flatMap(({ label }, at) =>
      (last - at) % every ? [] : [svg("text", { class: "tick", x: this.#middle(at), y: HEIGHT - 6, "text-anchor": "middle" }, label)],
    );
  }

  #middle(at) {
    return LEFT + this.geometry.slot * (at + 0.5);
  }

  #bars({ y }) {
    const { slot } = this.geometry;
    const width = Math.max(1.5, Math.min(34, slot * 0.72));
    return this.steps.flatMap((_, at) => {
      let below = 0;
      return this.series.flatMap(({ tone, values }) => {
        const value = values[at] ?? 0;
        if (!value) return [];
        const [top, bottom] = [y(below + value), y(below)];
        below += value;
        return [svg("rect", { class: `tone-${tone}`, x: this.#middle(at) - width / 2, y: top, width, height: Math.max(1, bottom - top), rx: Math.min(2, width / 4) })];
      });
    });
  }

  #lines({ y }) {
    return this.series.flatMap(({ tone, values }) => {
      const points = values.map((value, at) => (value === null ? null : [this.#middle(at), y(value)]));
      const path = points.map((point, at) => (point ? `${points[at - 1] ? "L" : "M"}${point.join(" ")}` : "")).join("");
      const dots = points.flatMap((point) => (point ? [svg("circle", { class: `tone-${tone}`, cx: point[0], cy: point[1], r: 2.6 })] : []));
      return [svg("path", { class: `line tone-${tone}`, d: path || "M0 0" }), ...dots];
    });
  }

  // --- what is under the pointer, and the table ------------------------------------------

  #point(event) {
    if (!this.geometry) return;
    const { left } = this.plot.getBoundingClientRect();
    const at = Math.floor((event.clientX - left - LEFT) / this.geometry.slot);
    if (at < 0 || at >= this.steps.length) {
      this.#unpoint();
      return;
    }
    this.marker.setAttribute("x", LEFT + this.geometry.slot * at);
    this.marker.setAttribute("visibility", "visible");
    const parts = this.series.map(({ label, tone, values }) =>
      make("span", {}, swatch(tone), `${label} `, make("b", {}, this.#shown(values[at]))),
    );
    this.readout.replaceChildren(make("strong", {}, this.steps[at].long), ...parts);
    this.readout.hidden = false;
    this.readout.dataset.side = at > this.steps.length / 2 ? "left" : "right";
  }

  #unpoint() {
    this.marker?.setAttribute("visibility", "hidden");
    this.readout.hidden = true;
  }

  #shown(value) {
    return value === null || value === undefined ? "–" : this.format(value);
  }

  #tabulate() {
    const head = make("tr", {}, heading("admin.chart.time"), ...this.series.map(({ label }) => Object.assign(make("th", {}, label), { scope: "col" })));
    const rows = this.steps.map(({ long }, at) =>
      make("tr", {}, Object.assign(make("th", {}, long), { scope: "row" }), ...this.series.map(({ values }) => make("td", {}, this.#shown(values[at])))),
    );
    const caption = text("caption", this.name, {}, { className: "unseen" });
    const table = make("table", { className: "plain" }, caption, make("thead", {}, head), make("tbody", {}, ...rows));
    const holder = make("div", { className: "scrolled", tabIndex: 0 }, table);
    holder.setAttribute("role", "region");
    holder.setAttribute("aria-label", this.element.firstChild.textContent);
    this.numbers.replaceChildren(text("summary", "admin.chart.numbers"), holder);
  }
}

function heading(name) {
  return Object.assign(text("th", name), { scope: "col" });
}

function swatch(tone) {
  return make("i", { className: `swatch tone-${tone}` });
}
