// The files that the next message takes along: left at the gateway as soon as they are chosen.

import { icon, make } from "./elements.js";
import { setLabel, setText, t } from "./i18n.js";

const THUMBNAIL = 72; // pixels; shown half as wide
const UNITS = ["B", "KB", "MB", "GB"];

function size(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power && bytes < 10 * 1000 ** power ? 1 : 0)} ${UNITS[power]}`;
}

/** Return the small picture of a file, drawn from its bytes: no address is opened for it. */
async function thumbnail(file) {
  if (!file.type.startsWith("image/")) return icon("file");
  try {
    const bitmap = await createImageBitmap(file);
    const canvas = make("canvas", { width: THUMBNAIL, height: THUMBNAIL });
    const scale = Math.max(THUMBNAIL / bitmap.width, THUMBNAIL / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    const [left, top] = [(THUMBNAIL - width) / 2, (THUMBNAIL - height) / 2];
    canvas.getContext("2d").drawImage(bitmap, left, top, width, height);
    bitmap.close();
    return canvas;
  } catch {
    return icon("file"); // a kind that this browser cannot draw
  }
}

export class Attachments {
  constructor({ list, gateway, say, onChange }) {
    Object.assign(this, { list, gateway, say, onChange });
    this.entries = [];
  }

  /** The files that are there already. */
  get uploaded() {
    return this.entries.filter(({ id }) => id).map(({ id, name, picture }) => ({ id, name, picture }));
  }

  get isEmpty() {
    return !this.entries.length;
  }

  add(files) {
    for (const file of files) this.#add(file);
  }

  #add(file) {
    const chip = make("li", { className: "chip" });
    const note = make("span", { className: "chip-note" });
    const controller = new AbortController();
    const entry = { name: file.name, chip, controller, id: "", failed: false, picture: null };
    const remove = make("button", { type: "button", className: "quiet" }, icon("close"));
    setLabel(remove, "file.remove", { name: file.name });
    remove.addEventListener("click", () => this.#remove(entry));
    chip.append(make("span", { className: "chip-name", title: file.name }, file.name), note, remove);
    this.list.append(chip);
    this.entries.push(entry);
    entry.settled = Promise.all([this.#picture(entry, file), this.#upload(entry, file, note)]);
  }

  async #picture(entry, file) {
    entry.picture = await thumbnail(file);
    entry.chip.prepend(entry.picture);
  }

  async #upload(entry, file, note) {
    setText(note, "file.uploading");
    try {
      entry.id = (await this.gateway.upload(file, entry.controller.signal)).id;
      delete note.dataset.text;
      note.textContent = size(file.size);
      this.say(t("say.attached", { name: file.name }));
      this.onChange();
    } catch (error) {
      if (error.name === "AbortError") return;
      entry.failed = true;
      entry.chip.classList.add("failed");
      setText(note, "file.failed", { message: error.message });
      this.say(note.textContent);
    }
  }

  #remove(entry) {
    entry.controller.abort();
    this.#forget(entry);
    this.onChange();
  }

  #forget(entry) {
    entry.chip.remove();
    this.entries = this.entries.filter((other) => other !== entry);
  }

  /** Return the files once all are uploaded, or null when one could not be; then it stays. */
  async taken() {
    await Promise.all(this.entries.map(({ settled }) => settled));
    if (this.entries.some(({ failed }) => failed)) return null;
    const files = this.uploaded;
    for (const entry of this.entries) this.#forget(entry);
    return files;
  }
}
