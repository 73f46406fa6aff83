// Markdown -> elements, safe and a block at a time: what does not change is not drawn again.

import { copyButton } from "./clipboard.js";
import { make } from "./elements.js";
import { setLabel, setText } from "./i18n.js";
import { Marked } from "./vendor/marked.js";
import DOMPurify from "./vendor/purify.js";

const TAGS = [
  ...["a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img"],
  ...["input", "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"],
];
const ATTRIBUTES = ["align", "alt", "checked", "class", "disabled", "href", "src", "start", "title", "type"];
const LINK = /^(?:https?:|mailto:)/i;
const PICTURE_DATA = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;

const origins = new Set([location.origin]);

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // An answer's own HTML is text to be read, not a part of this page.
    html: ({ text, block }) => (block ? `<p class="markup">${escaped(text)}</p>` : escaped(text)),
  },
});

function escaped(text) {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Let pictures of this origin be shown, too: it is the gateway's own by another name. */
export function allowPicturesFrom(origin) {
  if (origin) origins.add(origin);
}

/** Return whether the page may show a picture of this address. */
export function isOwnPicture(source) {
  if (PICTURE_DATA.test(source)) return true;
  return URL.canParse(source, document.baseURI) && origins.has(new URL(source, document.baseURI).origin);
}

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    if (!LINK.test(node.getAttribute("href") ?? "")) node.removeAttribute("href");
    node.target = "_blank";
    node.rel = "noopener noreferrer";
  } else if (node.tagName === "IMG" && !isOwnPicture(node.getAttribute("src") ?? "")) {
    node.dataset.elsewhere = node.getAttribute("src") ?? "";
    node.removeAttribute("src");
  }
});

function elements(token) {
  const fragment = DOMPurify.sanitize(marked.parser([token]), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  fragment.querySelectorAll("img[data-elsewhere]").forEach(linkInPlaceOf);
  fragment.querySelectorAll("pre > code").forEach(addCodeBar);
  fragment.querySelectorAll("table").forEach(makeScrollable);
  return [...fragment.childNodes];
}

/** A picture of somewhere else is not fetched: who wants to see it follows the link. */
function linkInPlaceOf(image) {
  const source = image.dataset.elsewhere;
  if (!LINK.test(source)) return image.replaceWith(image.alt);
  const link = make("a", { href: source, target: "_blank", rel: "noopener noreferrer" });
  image.replaceWith(setText(link, "turn.picture.elsewhere", { host: new URL(source).host }));
}

function addCodeBar(code) {
  const pre = code.parentElement;
  code.textContent = code.textContent.trimEnd();
  const language = /(?:^|\s)language-(\S+)/.exec(code.className)?.[1] ?? "";
  const bar = make("div", { className: "code-bar" }, make("span", {}, language));
  bar.append(copyButton(() => `${code.textContent}\n`));
  const block = make("div", { className: "code" }, bar);
  pre.replaceWith(block);
  pre.tabIndex = 0; // so that keys can scroll it
  block.append(pre);
}

function makeScrollable(table) {
  const frame = setLabel(make("div", { className: "table", tabIndex: 0 }), "turn.table");
  frame.setAttribute("role", "region");
  table.replaceWith(frame);
  frame.append(table);
}

/** Shows a text that grows. `onBlock` gets the text of each block that will not change any more. */
export class MarkdownView {
  constructor(element, onBlock = () => {}) {
    this.element = element;
    this.onBlock = onBlock;
    this.blocks = [];
    this.told = 0;
  }

  update(text, { isFinal = false } = {}) {
    const tokens = marked.lexer(text);
    const refers = isFinal && Object.keys(tokens.links).length > 0; // may change any block before
    let same = 0;
    while (!refers && same < tokens.length && this.blocks[same]?.raw === tokens[same].raw) same++;
    for (const block of this.blocks.splice(same)) for (const node of block.nodes) node.remove();
    for (const token of tokens.slice(same)) {
      const nodes = elements(token);
      this.element.append(...nodes);
      this.blocks.push({ raw: token.raw, nodes });
    }
    this.#tell(isFinal ? this.blocks.length : this.blocks.length - 1);
  }

  #tell(end) {
    for (; this.told < end; this.told++) {
      const spoken = this.blocks[this.told].nodes.map((node) => node.textContent).join(" ").trim();
      if (spoken) this.onBlock(spoken);
    }
  }
}
