// Calls to `/admin/…`, with the operator's key.

import { json } from "../gateway.js";
import { readKey, writeKey } from "../preferences.js";

const NAME = "backend-to-v1.admin-key";
const KEY = /^[\x20-\x7e]+$/; // no header carries anything else

export class Api {
  constructor() {
    this.key = readKey(NAME);
  }

  /** Whether the key can be sent; whether it is the right one is for the gateway to say. */
  get hasKey() {
    return KEY.test(this.key);
  }

  /** Use another key from now on, until this tab is closed. */
  use(key) {
    this.key = key.trim();
    writeKey(this.key, NAME);
  }

  accounts() {
    return this.#list("accounts");
  }

  usage(account) {
    return this.#ask("GET", `accounts/${account}/usage`);
  }

  removeAccount(account, options) {
    return this.#ask("DELETE", `accounts/${account}${query(options)}`);
  }

  beginSignIn(name) {
    return this.#ask("POST", "sign-ins", name ? { name } : {});
  }

  signIn(id) {
    return this.#ask("GET", `sign-ins/${id}`);
  }

  endSignIn(id) {
    return this.#ask("DELETE", `sign-ins/${id}`);
  }

  keys() {
    return this.#list("keys");
  }

  addKey(fields) {
    return this.#ask("POST", "keys", fields);
  }

  changeKey(id, fields) {
    return this.#ask("POST", `keys/${id}`, fields);
  }

  revokeKey(id) {
    return this.#ask("DELETE", `keys/${id}`);
  }

  calls(options) {
    return this.#ask("GET", `calls${query(options)}`);
  }

  totals(options) {
    return this.#ask("GET", `totals${query(options)}`);
  }

  async #list(path) {
    return (await this.#ask("GET", path)).data;
  }

  #ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.key}`, Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    return json(`admin/${path}`, { method, headers, credentials: "omit", body: body && JSON.stringify(body) });
  }
}

function query(options = {}) {
  const given = Object.entries(options).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
