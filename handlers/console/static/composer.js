// The box that a message is written in: typing, pasting, dropping, sending, stopping.

import { byId } from "./elements.js";
import { setText } from "./i18n.js";

const MAX_HEIGHT = 240; // pixels

export class Composer {
  constructor({ attachments, onSend, onStop, onChange }) {
    this.draft = byId("draft");
    this.send = byId("send");
    this.attachments = attachments;
    this.onSend = onSend;
    this.onStop = onStop;
    this.onChange = onChange;
    this.isRunning = false;
    this.lastSent = "";
    this.#listen();
    this.#dropInto(byId("chat"), byId("drop"));
  }

  get text() {
    return this.draft.value.trim();
  }

  set text(value) {
    this.draft.value = value;
    this.#changed();
  }

  focus() {
    this.draft.focus();
  }

  /** Show that an answer is running, or not: the same button sends and stops. */
  setRunning(isRunning) {
    this.isRunning = isRunning;
    this.send.classList.toggle("stops", isRunning);
    setText(this.send.querySelector("span"), isRunning ? "draft.stop" : "draft.send");
    this.#changed();
  }

  #listen() {
    this.draft.addEventListener("input", () => this.#changed());
    this.draft.addEventListener("keydown", (event) => this.#key(event));
    this.draft.addEventListener("paste", (event) => this.#pasted(event));
    this.send.addEventListener("click", () => (this.isRunning ? this.onStop() : this.#submit()));
    const picker = byId("picker");
    byId("attach").addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      this.attachments.add(picker.files);
      picker.value = "";
      this.focus();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isRunning) this.onStop();
      const isTyping = event.target.matches("input, textarea, select");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.focus();
    });
  }

  #key(event) {
    if (event.isComposing) return; // the Enter that ends a word of an input method sends nothing
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (!this.isRunning) this.#submit();
    } else if (event.key === "ArrowUp" && !this.draft.value && this.lastSent) {
      event.preventDefault();
      this.text = this.lastSent;
    }
  }

  #pasted(event) {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    this.attachments.add(files);
  }

  #dropInto(zone, cover) {
    const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
    const show = (isShown) => (cover.hidden = !isShown);
    zone.addEventListener("dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      show(true);
    });
    zone.addEventListener("dragleave", (event) => {
      if (!zone.contains(event.relatedTarget)) show(false);
    });
    zone.addEventListener("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      show(false);
      this.attachments.add(event.dataTransfer.files);
      this.focus();
    });
  }

  async #submit() {
    const text = this.text;
    if (!text && this.attachments.isEmpty) return;
    if (await this.onSend(text)) {
      this.lastSent = text;
      this.text = "";
    }
  }

  #changed() {
    this.draft.style.height = "auto";
    this.draft.style.height = `${Math.min(this.draft.scrollHeight, MAX_HEIGHT)}px`;
    this.onChange();
  }
}
