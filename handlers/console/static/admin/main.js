// Puts the admin pages together: asks for the operator's key, and shows one page at a time.

import { addAppearance } from "../appearance.js";
import { byId } from "../elements.js";
import { addTexts, setLabel, setText, t, translate } from "../i18n.js";
import { Accounts } from "./accounts.js";
import { Api } from "./api.js";
import { Calls } from "./calls.js";
import { Keys } from "./keys.js";
import { Overview } from "./overview.js";
import { TEXTS } from "./strings.js";

const REFRESH_MS = 30_000;

class Pages {
  constructor(api) {
    this.api = api;
    const keys = new Keys(api, (key) => this.showCalls(key));
    const accounts = new Accounts(api, (account) => this.makeKey(account));
    this.all = { overview: new Overview(api), accounts, keys, calls: new Calls(api) };
    this.timer = 0;
    addEventListener("hashchange", () => this.show());
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
  }

  get name() {
    const name = location.hash.slice(1);
    return Object.hasOwn(this.all, name) ? name : "overview";
  }

  /** Show the page that the address names. */
  show() {
    if (!this.api.hasKey || !byId("gate").hidden) return;
    for (const link of document.querySelectorAll("#pages a")) {
      if (link.hash === `#${this.name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const page = this.all[this.name];
    byId("view").replaceChildren(page.element);
    document.title = `backend-to-v1 · ${t(`admin.${this.name}`)}`;
    scrollTo(0, 0);
    page.render();
    this.look({ isWanted: true });
  }

  /** Ask for the page's content now, unless that would disturb, and again later. */
  async look({ isWanted = false } = {}) {
    clearTimeout(this.timer);
    if (!byId("gate").hidden) return;
    const page = this.all[this.name];
    if (isWanted || !isInUse(page)) await this.refresh(page);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), REFRESH_MS);
  }

  async refresh(page) {
    try {
      await page.refresh();
    } catch (error) {
      if (error.status !== 401) throw error;
      askForKey(wrongKey(error)); // it is not taken any more
    }
  }

  showCalls(key) {
    this.all.calls.of(key);
    location.hash = "#calls";
  }

  makeKey(account) {
    location.hash = "#keys";
    this.all.keys.add(account);
  }
}

/** Tell whether new content would take something away from who reads or types. */
function isInUse(page) {
  const isRead = page.body.contains(document.activeElement) || !getSelection().isCollapsed;
  return document.hidden || isRead || Boolean(document.querySelector("dialog[open]")) || page.isNewest === false;
}

/** Show the form for the key, with what is wrong with the one that was given. */
function askForKey(problem = "") {
  byId("gate").hidden = false;
  byId("pages").hidden = byId("lock").hidden = true;
  byId("view").replaceChildren();
  document.querySelector("dialog[open]")?.close();
  byId("gate-problem").hidden = !problem;
  byId("gate-problem").textContent = problem;
  byId("admin-key").setAttribute("aria-invalid", String(Boolean(problem)));
  byId("admin-key").focus();
}

function wrongKey({ status, message, retryAfter }) {
  if (status === 401) return t("admin.gate.wrong");
  return status === 429 ? t("admin.gate.often", { seconds: retryAfter }) : message;
}

function openPages(pages) {
  byId("gate").hidden = true;
  byId("pages").hidden = byId("lock").hidden = false;
  byId("admin-key").value = "";
  pages.show();
}

function addGate(api, pages) {
  byId("gate").addEventListener("submit", async (event) => {
    event.preventDefault();
    api.use(byId("admin-key").value);
    if (!api.hasKey) {
      askForKey(t(api.key ? "error.key.characters" : "error.key"));
      return;
    }
    try {
      await api.keys();
      openPages(pages);
      byId("content").focus();
    } catch (error) {
      api.use("");
      askForKey(wrongKey(error));
    }
  });
  byId("show-admin-key").addEventListener("click", (event) => {
    const isHidden = byId("admin-key").classList.contains("secret");
    byId("admin-key").classList.toggle("secret", !isHidden);
    event.currentTarget.setAttribute("aria-pressed", String(isHidden));
    setLabel(event.currentTarget, isHidden ? "setup.key.hide" : "setup.key.show");
  });
  byId("lock").addEventListener("click", () => {
    api.use("");
    location.reload();
  });
}

addTexts(TEXTS);
translate();
const api = new Api();
const pages = new Pages(api);
addAppearance(() => pages.show());
addGate(api, pages);
if (api.hasKey) openPages(pages);
else askForKey();
setText(document.querySelector(".crumb"), "admin.link");
document.documentElement.dataset.ready = "";
