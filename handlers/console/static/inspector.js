// What goes over the wire: the events as they came, and the request as curl and Python.

import { copies } from "./clipboard.js";
import { byId, make, oncePerFrame } from "./elements.js";
import { Follower } from "./follow.js";
import { setText } from "./i18n.js";
import { curl, python } from "./snippets.js";

const MAX_ROWS = 1000; // drawn; all are kept for copying

// What differs from one chunk to the next; the rest of it is drawn paler.
const DELTA = /^(.*?)("delta":(?:\{.*\}|"(?:[^"\\]|\\.)*"))(.*)$/s;
const FAILED = /^\{"(?:error":|type":"(?:error|response\.failed)")/;

function emphasised(text) {
  const parts = DELTA.exec(text);
  return parts ? [parts[1], make("b", {}, parts[2]), parts[3]] : [text];
}

export class Inspector {
  constructor() {
    this.rows = byId("events");
    this.leftOut = byId("events-left-out");
    this.empty = byId("events-empty");
    this.follower = new Follower(byId("panel-events"), this.rows);
    this.lines = [];
    this.pending = [];
    this.draw = oncePerFrame(() => this.#draw());
    copies(byId("copy-inspected"), () => this.#shownText(), "inspect.copy");
    this.#tabs();
  }

  /** Start anew: a request has gone out. */
  begin(startedAt, line) {
    if (!this.isChosen) this.#select(byId("tab-events"));
    this.startedAt = startedAt;
    this.lines = [];
    this.pending = [];
    this.rows.replaceChildren();
    this.leftOut.hidden = this.empty.hidden = true;
    this.note(startedAt, line);
    this.follower.toEnd();
  }

  /** Add a line of our own, such as the status. */
  note(now, text) {
    this.#add(now, "note", text);
  }

  /** Add what one read has brought: lists of `{comment}` and `{data}`. */
  take(items, now) {
    for (const { comment, data } of items) {
      if (comment !== undefined) this.#add(now, "comment", `: ${comment}`);
      else this.#add(now, FAILED.test(data) ? "failed" : "data", data);
    }
  }

  /** Add the reply that came in place of a stream. */
  refused(now, { status, requestId, raw }) {
    if (!raw) return;
    this.note(now, `${status} · x-request-id: ${requestId}`);
    this.#add(now, "failed", raw);
  }

  #add(now, kind, text) {
    this.lines.push(text);
    this.pending.push({ at: ((now - this.startedAt) / 1000).toFixed(3), kind, text });
    this.draw();
  }

  #draw() {
    const rows = this.pending.splice(0).slice(-MAX_ROWS);
    this.rows.append(
      ...rows.map(({ at, kind, text }) =>
        make("li", { className: `event ${kind}` }, make("time", {}, at), make("code", {}, ...emphasised(text))),
      ),
    );
    while (this.rows.childElementCount > MAX_ROWS) this.rows.firstElementChild.remove();
    const count = this.lines.length - this.rows.childElementCount;
    this.leftOut.hidden = count === 0;
    setText(this.leftOut, "inspect.left_out", { count });
  }

  /** Show a request: of the draft, or the one that was sent last. */
  show(request, { isDraft }) {
    byId("curl").textContent = curl(request);
    byId("python").textContent = python(request);
    setText(byId("request-end"), request.dialect.end);
    for (const note of document.querySelectorAll(".snippet-of"))
      setText(note, isDraft ? "inspect.request.draft" : "inspect.request.last");
  }

  #shownText() {
    const name = this.tabs.find((tab) => tab.ariaSelected === "true").dataset.panel;
    return name === "events" ? `${this.lines.join("\n")}\n` : byId(name).textContent;
  }

  #select(chosen) {
    for (const tab of this.tabs) {
      tab.ariaSelected = String(tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      byId(`panel-${tab.dataset.panel}`).hidden = tab !== chosen;
    }
  }

  #tabs() {
    this.isChosen = false; // until somebody chooses a tab, the first events bring theirs to the front
    this.tabs = [...byId("inspect-tabs").querySelectorAll("[role=tab]")];
    const choose = (tab) => {
      this.isChosen = true;
      this.#select(tab);
    };
    const step = { ArrowRight: 1, ArrowLeft: -1 };
    for (const [at, tab] of this.tabs.entries()) {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const next = this.tabs.at((at + (step[event.key] ?? 0)) % this.tabs.length);
        if (next === tab) return;
        choose(next);
        next.focus();
      });
    }
  }
}
