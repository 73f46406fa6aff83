// One answer while it arrives: what the events of a stream add up to, in any dialect.

import { GatewayError } from "./gateway.js";
import { t } from "./i18n.js";

export class Answer {
  /** `dialect` is one of `DIALECTS`, and reads the events. */
  constructor(now, dialect) {
    this.dialect = dialect;
    this.startedAt = now;
    this.firstAt = 0;
    this.reasoningEndedAt = 0;
    this.endedAt = 0;
    this.content = "";
    this.reasoning = "";
    this.pictures = [];
    this.files = [];
    this.annotations = [];
    this.usage = null;
    this.finish = null;
    this.upstreamModel = "";
    this.requestId = "";
    this.failure = null;
    this.isStopped = false;
    this.isDone = false;
  }

  get isRunning() {
    return !this.endedAt;
  }

  /** Take the data of one event. Throws GatewayError when it tells of a failure. */
  take(data, now) {
    this.dialect.take(this, data, now);
  }

  /** Take a piece of the text. */
  say(text, now) {
    if (!text) return;
    this.firstAt ||= now;
    if (this.reasoning && !this.reasoningEndedAt) this.reasoningEndedAt = now;
    this.content += text;
  }

  /** Take a piece of the reasoning. */
  think(text, now) {
    if (!text) return;
    this.firstAt ||= now;
    this.reasoning += text;
  }

  /** Begin another part of the text. */
  part() {
    if (this.content) this.content += "\n\n";
  }

  /** Take what is known of the answer as a whole. */
  learn({ usage, model, pictures, files }) {
    if (usage) this.usage = usage;
    if (model) this.upstreamModel = model;
    this.pictures.push(...(pictures ?? []));
    this.files.push(...(files ?? []));
  }

  /** Close the answer; a stream that just ends has been cut. */
  end(now) {
    this.endedAt = now;
    if (!this.isDone && !this.failure && !this.isStopped)
      this.failure = new GatewayError({ message: t("error.unfinished") }, { requestId: this.requestId });
  }
}
