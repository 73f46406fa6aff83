// The console's language: looks texts up, and puts them into the elements that name them.

import { read, write } from "./preferences.js";
import { STRINGS } from "./strings.js";

const LANGUAGES = { en: "en", zh: "zh-CN" };

let language = chosen();

function chosen() {
  const kept = read("language");
  if (kept in LANGUAGES) return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** Add the texts of a page. */
export function addTexts(texts) {
  Object.assign(STRINGS, texts);
}

/** Return the language of the page as browsers name it. */
export function locale() {
  return LANGUAGES[language];
}

/** Return the text of that name in the language of the page. */
export function t(name, values = {}) {
  return STRINGS[name][language].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

/** Give an element its text by name, so that it follows the language. */
export function setText(element, name, values = {}) {
  element.dataset.text = name;
  element.dataset.values = JSON.stringify(values);
  element.textContent = t(name, values);
  return element;
}

/** Likewise for the label of an element that shows an icon, or nothing. */
export function setLabel(element, name, values = {}) {
  element.dataset.label = name;
  element.dataset.labelValues = JSON.stringify(values);
  element.setAttribute("aria-label", t(name, values));
  if (element.matches("button, a")) element.title = t(name, values);
  return element;
}

/** Write the texts of all elements that name one. */
export function translate() {
  document.documentElement.lang = LANGUAGES[language];
  for (const element of document.querySelectorAll("[data-text]"))
    setText(element, element.dataset.text, JSON.parse(element.dataset.values ?? "{}"));
  for (const element of document.querySelectorAll("[data-label]"))
    setLabel(element, element.dataset.label, JSON.parse(element.dataset.labelValues ?? "{}"));
  for (const element of document.querySelectorAll("[data-placeholder]"))
    element.placeholder = t(element.dataset.placeholder);
}

/** Change to the other language. */
export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  write("language", language);
  translate();
}

/** Return a number of seconds as people of this language read it. */
export function seconds(value) {
  const digits = value < 10 ? 2 : 1;
  return value.toLocaleString(LANGUAGES[language], { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
