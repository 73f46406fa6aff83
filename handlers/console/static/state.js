// The state of the gateway, its upstream and the account, looked for every few seconds while the page is seen.

import { shownAllowance } from "./allowance.js";
import { byId, make } from "./elements.js";
import { seconds, setText } from "./i18n.js";

const INTERVAL_MS = 10_000;
const MAX_KINDS = 20; // shown; the latest come first
const PARTS = ["gateway", "upstream", "state", "blobs"]; // those that have a name of their own

export class State {
  constructor(gateway) {
    this.gateway = gateway;
    this.timer = 0;
    this.keyWithAllowance = null; // the next key may be one that has none
    document.addEventListener("visibilitychange", () => this.look());
    byId("language").addEventListener("click", () => this.#allowance());
  }

  /** Look now, and again later. */
  async look() {
    clearTimeout(this.timer);
    if (document.hidden) return;
    await Promise.all([this.#readiness(), this.#figures(), this.#allowance()]);
    clearTimeout(this.timer); // of a look that has gone on meanwhile
    this.timer = setTimeout(() => this.look(), INTERVAL_MS);
  }

  /** Show what is used of the account's allowance, if its models are Codex's, which tell their context. */
  showAllowanceOf(models) {
    const hasAllowance = models.some(({ context_window: size }) => size);
    this.keyWithAllowance = hasAllowance ? this.gateway.key : null;
    this.#allowance();
  }

  async #readiness() {
    try {
      const { status, checks = {}, drift } = await this.gateway.readiness();
      this.#summarise(status === "ready" ? "ready" : "not_ready");
      byId("checks").replaceChildren(...Object.entries(checks).map(check));
      const kinds = drift?.kinds ?? [];
      byId("drift").hidden = kinds.length === 0;
      byId("drift-kinds").replaceChildren(...kinds.slice(0, MAX_KINDS).map(anomaly));
    } catch (error) {
      this.#summarise("unreachable");
      byId("checks").replaceChildren(make("div", { className: "check bad" }, make("dd", {}, error.message)));
    }
  }

  async #allowance() {
    const { key } = this.gateway;
    let usage = {};
    try {
      if (key === this.keyWithAllowance) usage = await this.gateway.usage();
    } catch {
      // What is wrong with the key or the upstream is said where it matters.
    }
    if (key !== this.gateway.key) return;
    const shown = shownAllowance(usage);
    byId("usage").hidden = shown.length === 0;
    byId("plan").textContent = usage.plan ?? "";
    byId("windows").replaceChildren(...shown);
  }

  #summarise(state) {
    for (const summary of document.querySelectorAll(".summary")) {
      summary.dataset.state = state;
      setText(summary.querySelector("span"), `state.${state}`);
    }
  }

  async #figures() {
    let exposition = "";
    try {
      exposition = await this.gateway.metrics();
    } catch {
      // The readiness says that the gateway cannot be reached.
    }
    byId("figures").hidden = byId("figures-note").hidden = !exposition;
    for (const [name, value] of Object.entries(figures(exposition)))
      byId("figures").querySelector(`[data-figure=${name}]`).textContent = value;
  }
}

function check([part, result]) {
  const name = make("dt");
  if (PARTS.includes(part)) setText(name, `state.part.${part}`);
  else name.textContent = part;
  const isOk = result === "ok";
  const value = isOk ? setText(make("dd"), "state.ok") : make("dd", {}, String(result));
  return make("div", { className: isOk ? "check" : "check bad" }, name, value);
}

function anomaly({ kind, count, first }) {
  const since = setText(make("span"), "state.drift.kind", { count, first: first.slice(0, 16).replace("T", " ") });
  return make("li", {}, make("code", {}, kind), " ", since);
}

/** Return the few figures that are shown, of the Prometheus text format. */
function figures(exposition) {
  const samples = [...exposition.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)];
  const sum = (name, has = "") =>
    samples
      .filter(([, metric, labels = ""]) => metric === name && labels.includes(has))
      .reduce((total, [, , , value]) => total + Number(value), 0);
  const ended = sum("gateway_outcomes_total");
  const firsts = sum("gateway_first_token_seconds_count");
  return {
    open: sum("gateway_open_streams"),
    queued: sum("gateway_queued_turns"),
    requests: sum("gateway_requests_total"),
    answers: ended,
    failed: ended - sum("gateway_outcomes_total", 'outcome="complete"'),
    first: firsts ? `${seconds(sum("gateway_first_token_seconds_sum") / firsts)} s` : "–",
  };
}
