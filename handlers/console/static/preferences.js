// What is remembered: preferences in the browser, the key in this tab and nowhere else.

const KEY = "backend-to-v1.key";
const PREFIX = "backend-to-v1.";

// A browser may refuse to store anything; then it is remembered until the page is closed.
const unstored = new Map();

function attempt(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

/** Return a preference, or "". */
export function read(name) {
  return attempt(() => localStorage.getItem(PREFIX + name)) ?? unstored.get(name) ?? "";
}

/** Remember a preference. */
export function write(name, value) {
  unstored.set(name, value);
  attempt(() => localStorage.setItem(PREFIX + name, value));
}

/** Return a key of this tab, or "". */
export function readKey(name = KEY) {
  return attempt(() => sessionStorage.getItem(name)) ?? unstored.get(name) ?? "";
}

/** Remember a key until this tab is closed. */
export function writeKey(value, name = KEY) {
  unstored.set(name, value);
  attempt(() => sessionStorage.setItem(name, value));
}
