// The two buttons that every page has: its language, and its colours.

import { byId } from "./elements.js";
import { setLabel, switchLanguage } from "./i18n.js";
import { read, write } from "./preferences.js";

const THEMES = ["auto", "light", "dark"];

function showTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  setLabel(byId("theme"), `theme.${theme}`);
}

/** Make the buttons work; `onLanguage` draws what names no text of its own. */
export function addAppearance(onLanguage = () => {}) {
  byId("language").addEventListener("click", () => {
    switchLanguage();
    onLanguage();
  });
  let theme = THEMES.includes(read("theme")) ? read("theme") : "auto";
  showTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    write("theme", theme);
    showTheme(theme);
  });
}
