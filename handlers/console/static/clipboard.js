// Buttons that copy a text.

import { icon, make } from "./elements.js";
import { setText } from "./i18n.js";

const SHOWN_MS = 1600;

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers have the clipboard on https and localhost only; gateways are also met by plain http.
  const holder = make("textarea", { value: text, className: "unseen" });
  document.body.append(holder);
  holder.select();
  const isCopied = document.execCommand("copy");
  holder.remove();
  if (!isCopied) throw new Error("the browser refused");
  return undefined;
}

/** Make a button copy what the function returns, and say that it did. */
export function copies(button, text, name = "turn.copy") {
  const label = setText(make("span"), name);
  button.append(icon("copy"), label);
  let timer = 0;
  button.addEventListener("click", async () => {
    let result = "turn.copied";
    try {
      await copy(text());
    } catch {
      result = "turn.copy_failed";
    }
    setText(label, result);
    clearTimeout(timer);
    timer = setTimeout(() => setText(label, name), SHOWN_MS);
  });
  return button;
}

/** Return a new button that copies what the function returns. */
export function copyButton(text) {
  return copies(make("button", { type: "button", className: "quiet copy" }), text);
}
