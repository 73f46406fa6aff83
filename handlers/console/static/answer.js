// One answer while it arrives: what the chunks of a stream add up to.

import { GatewayError } from "./gateway.js";
import { t } from "./i18n.js";

export class Answer {
  constructor(now) {
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
    if (data === "[DONE]") {
      this.isDone = true;
      return;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new GatewayError(chunk.error, { requestId: this.requestId });
    if (chunk.usage) this.usage = chunk.usage;
    if (chunk.upstream_model) this.upstreamModel = chunk.upstream_model;
    this.pictures.push(...(chunk.x_images ?? []));
    this.files.push(...(chunk.x_files ?? []));
    for (const choice of chunk.choices ?? []) this.#add(choice, now);
  }

  #add({ delta, finish_reason: finish }, now) {
    if (finish) this.finish = finish;
    if (!delta) return;
    if ((delta.content || delta.reasoning_content) && !this.firstAt) this.firstAt = now;
    if (delta.reasoning_content) this.reasoning += delta.reasoning_content;
    if (delta.content) {
      if (this.reasoning && !this.reasoningEndedAt) this.reasoningEndedAt = now;
      this.content += delta.content;
    }
    this.annotations.push(...(delta.annotations ?? []));
  }

  /** Close the answer; a stream that just ends has been cut. */
  end(now) {
    this.endedAt = now;
    if (!this.isDone && !this.failure && !this.isStopped)
      this.failure = new GatewayError({ message: t("error.unfinished") }, { requestId: this.requestId });
  }
}
