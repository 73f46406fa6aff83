// Calls to the gateway: its state, models, files and streamed answers.

import { t } from "./i18n.js";
import { createParser } from "./vendor/eventsource-parser.js";

// A proxy may serve all of it below a path; a page below the root says where that is.
const BASE = new URL(document.documentElement.dataset.root ?? ".", document.baseURI);
const KEY = /^[\x21-\x7e]+$/; // no header carries anything else

/** A request that failed: the error object of the gateway, and what its headers say. */
export class GatewayError extends Error {
  constructor(error, { status = 0, requestId = "", retryAfter = "", raw = "" } = {}) {
    super(error.message);
    this.name = "GatewayError";
    Object.assign(this, { type: error.type, code: error.code, param: error.param });
    Object.assign(this, { status, requestId, retryAfter, raw });
  }

  /** Return the error of a reply that is not the one that was wanted. */
  static async of(response) {
    const raw = await response.text().catch(() => "");
    let error = null;
    try {
      error = JSON.parse(raw).error;
    } catch {
      // Not ours: a proxy in between has answered.
    }
    const message = t("error.unreadable", { status: response.status });
    return new GatewayError(error?.message ? error : { message }, {
      status: response.status,
      requestId: response.headers.get("x-request-id") ?? "",
      retryAfter: response.headers.get("retry-after") ?? "",
      raw,
    });
  }
}

async function ask(path, options = {}) {
  try {
    return await fetch(address(path), { cache: "no-store", referrerPolicy: "no-referrer", ...options });
  } catch (error) {
    throw error.name === "AbortError" ? error : new GatewayError({ message: t("error.network") });
  }
}

/** Return the JSON of a reply; one that is no success is a GatewayError. */
export async function json(path, options) {
  const response = await ask(path, options);
  if (!response.ok) throw await GatewayError.of(response);
  return response.json();
}

/** Return the whole address of a path that the index gives. */
export function address(path) {
  return new URL(path.replace(/^\//, ""), BASE).href;
}

export class Gateway {
  constructor() {
    this.key = "";
    this.index = null;
  }

  /** Whether the key can be sent; what it opens is for the gateway to say. */
  get hasKey() {
    return KEY.test(this.key);
  }

  get authorization() {
    return this.hasKey ? { Authorization: `Bearer ${this.key}` } : {};
  }

  /** Learn what there is, and where. */
  async open() {
    this.index = await json("/", { headers: { Accept: "application/json" } });
    return this.index;
  }

  /** Return what `/readyz` says, whether it is well or not. */
  async readiness() {
    const response = await ask(`${this.index.links.readiness}?verbose`);
    try {
      return await response.json();
    } catch {
      throw new GatewayError({ message: t("error.unreadable", { status: response.status }) });
    }
  }

  /** Return the figures in the Prometheus text format, or "" when there are none. */
  async metrics() {
    if (!this.index.links.metrics) return "";
    const response = await ask(this.index.links.metrics);
    return response.ok ? response.text() : "";
  }

  /** Return what is used of the allowance of the key's account. */
  async usage() {
    return json(this.index.links.usage, { headers: this.authorization });
  }

  /** Return the entries of the model list. */
  async models() {
    return (await json(this.index.links.models, { headers: this.authorization })).data;
  }

  /** Leave a file at the gateway; return its entry, whose id a message may name. */
  async upload(file, signal) {
    const form = new FormData();
    form.append("purpose", "user_data");
    form.append("file", file);
    const headers = this.authorization;
    return json(this.index.links.files, { method: "POST", headers, body: form, signal });
  }

  /** Ask for a streamed answer; `Answering.items` has what arrives. */
  async answer({ url, body, profile, signal }) {
    const headers = { ...this.authorization, "Content-Type": "application/json" };
    if (profile) headers["x-render-profile"] = profile;
    const response = await ask(url, { method: "POST", headers, body: JSON.stringify(body), signal });
    if (!response.ok) throw await GatewayError.of(response);
    return new Answering(response);
  }
}

class Answering {
  constructor(response) {
    this.status = response.status;
    this.requestId = response.headers.get("x-request-id") ?? "";
    this.body = response.body;
  }

  /** Yield lists of `{comment}` or `{data}`: all that one read has brought. */
  async *items() {
    let found = [];
    const parser = createParser({
      onEvent: (event) => found.push({ data: event.data }),
      onComment: (comment) => found.push({ comment }),
    });
    const reader = this.body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        parser.feed(value);
        if (found.length) yield found;
        found = [];
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new GatewayError({ message: t("error.network") }, this);
    } finally {
      await reader.cancel().catch(() => {}); // who stops listening closes the connection
    }
  }
}
