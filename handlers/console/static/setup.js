// What goes with each request: key, dialect, model, profile and system message.

import { byId, make } from "./elements.js";
import { DIALECTS } from "./dialects.js";
import { setLabel, setText } from "./i18n.js";
import { read, readKey, write, writeKey } from "./preferences.js";

const OTHER = ""; // the value of "another name"
const PROFILES = ["web", "bot", "raw"];
const KEY_PAUSE_MS = 600;

export class Setup {
  #isChosen = false; // the model, by the person in front of it; else it is the first that fits

  constructor(gateway, { onChange, onModels }) {
    this.gateway = gateway;
    this.onChange = onChange;
    this.onModels = onModels;
    this.key = byId("key");
    this.select = byId("model");
    this.name = byId("model-name");
    this.dialectSelect = byId("dialect");
    this.profileSelect = byId("profile");
    this.systemBox = byId("system");
    this.#restore();
    this.#listen();
  }

  get model() {
    return this.select.value === OTHER ? this.name.value.trim() : this.select.value;
  }

  get dialect() {
    return this.dialectSelect.value;
  }

  get profile() {
    return this.profileSelect.value;
  }

  get system() {
    return this.systemBox.value.trim();
  }

  /** Show that a key is needed, or another one. */
  askForKey() {
    const problem = byId("key-problem");
    problem.hidden = false;
    setText(problem, this.gateway.key ? "error.key.characters" : "error.key");
    this.key.setAttribute("aria-invalid", "true");
    this.key.focus();
  }

  #restore() {
    this.key.value = this.gateway.key = readKey();
    this.systemBox.value = read("system");
    const dialects = Object.keys(DIALECTS);
    this.dialectSelect.replaceChildren(
      ...dialects.map((name) => setText(make("option", { value: name }), `dialect.${name}`)),
    );
    this.dialectSelect.value = dialects.includes(read("dialect")) ? read("dialect") : dialects[0];
    const own = setText(make("option", { value: "" }), "profile.default", { name: this.gateway.index.default_profile });
    const named = PROFILES.map((profile) => setText(make("option", { value: profile }), `profile.${profile}`));
    this.profileSelect.replaceChildren(own, ...named);
    this.profileSelect.value = read("profile");
    if (this.profileSelect.selectedIndex < 0) this.profileSelect.value = "";
  }

  #listen() {
    let timer = 0;
    this.key.addEventListener("input", () => {
      this.gateway.key = this.key.value.trim().replace(/^Bearer\s+/i, "");
      writeKey(this.gateway.key);
      byId("key-problem").hidden = true;
      this.key.removeAttribute("aria-invalid");
      clearTimeout(timer);
      timer = setTimeout(() => this.list(), KEY_PAUSE_MS);
    });
    byId("show-key").addEventListener("click", (event) => {
      const isHidden = this.key.classList.contains("secret");
      this.key.classList.toggle("secret", !isHidden);
      event.currentTarget.setAttribute("aria-pressed", String(isHidden));
      setLabel(event.currentTarget, isHidden ? "setup.key.hide" : "setup.key.show");
    });
    byId("reload-models").addEventListener("click", () => this.list());
    this.select.addEventListener("change", () => {
      this.choose(this.select.value);
      if (this.select.value === OTHER) this.name.focus();
    });
    for (const [element, preference] of [
      [this.name, "model"],
      [this.dialectSelect, "dialect"],
      [this.profileSelect, "profile"],
      [this.systemBox, "system"],
    ])
      element.addEventListener("input", () => {
        if (element === this.name) this.#isChosen = true;
        write(preference, element.value.trim());
        this.onChange();
      });
  }

  /** Take a model by name, listed or not, for other keys and visits as well. */
  choose(name) {
    this.#isChosen = true;
    write("model", name);
    this.#take(name);
  }

  #take(name) {
    const isListed = [...this.select.options].some(({ value }) => value && value === name);
    this.select.value = isListed ? name : OTHER;
    this.name.hidden = isListed;
    if (!isListed) this.name.value = name;
    for (const button of byId("models").querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.value === name));
    this.onChange();
  }

  /** Ask the gateway for its models, and for the account's if there is a key. */
  async list() {
    const note = byId("models-note");
    try {
      const models = await this.gateway.models();
      this.#show(models);
      this.onModels(models);
      note.hidden = this.gateway.hasKey;
      setText(note, "models.public");
    } catch (error) {
      note.hidden = false;
      setText(note, "models.failed", { message: error.message });
    }
  }

  #show(models) {
    const preferred = models.some(({ id }) => id === "gpt-4o") ? "gpt-4o" : (models[0]?.id ?? OTHER);
    const wanted = (this.#isChosen ? this.model : read("model")) || preferred;
    const options = models.map(({ id }) => make("option", { value: id }, id));
    this.select.replaceChildren(...options, setText(make("option", { value: OTHER }), "setup.model.other"));
    byId("models").replaceChildren(...models.map((model) => this.#row(model)));
    setText(byId("models-count"), "models.count", { count: models.length });
    this.#take(wanted);
  }

  #row({ id, owned_by: owner }) {
    const button = make("button", { type: "button", value: id }, make("code", {}, id), make("span", {}, owner));
    button.addEventListener("click", () => this.choose(id));
    return make("li", {}, button);
  }
}
