// One answer as it is seen: reasoning, text, pictures, files, how it ended and what it took.

import { copyButton } from "./clipboard.js";
import { icon, make } from "./elements.js";
import { seconds, setText, t } from "./i18n.js";
import { isOwnPicture, MarkdownView } from "./markdown.js";

export class AnswerView {
  constructor(turn, { again, say }) {
    this.answer = turn.answer;
    this.say = say;
    this.who = make("h2", { className: "who mono" }, turn.model);
    this.waiting = setText(make("p", { className: "waiting" }), "turn.waiting");
    this.text = make("div", { className: "markdown" });
    this.facts = make("ul", { className: "facts" });
    this.copy = copyButton(() => this.answer.content);
    this.tools = make("div", { className: "tools" }, this.copy, again);
    this.tools.hidden = true;
    this.body = make("div", { className: "body" }, this.waiting, this.text);
    this.element = make("article", { className: "turn answer" }, this.who, this.tools, this.body, this.facts);
    this.element.setAttribute("aria-busy", "true");
    this.markdown = new MarkdownView(this.text, say);
    this.shownChars = { content: 0, reasoning: 0 };
  }

  /** Show what has arrived until now. */
  update() {
    const { answer } = this;
    if (answer.firstAt) this.waiting.hidden = true;
    if (answer.reasoning.length > this.shownChars.reasoning) this.#reason();
    if (answer.content.length > this.shownChars.content) this.markdown.update(answer.content);
    this.shownChars = { content: answer.content.length, reasoning: answer.reasoning.length };
    if (this.reasoning && answer.reasoningEndedAt) this.#closeReasoning();
  }

  /** Show the whole answer and how it ended. */
  finish() {
    const { answer } = this;
    this.update();
    this.waiting.hidden = true;
    this.element.setAttribute("aria-busy", "false");
    this.markdown.update(answer.content, { isFinal: true });
    if (this.reasoning) this.#closeReasoning();
    this.#showPictures();
    this.#showFiles();
    if (answer.isStopped) this.body.append(setText(make("p", { className: "note" }), "turn.stopped"));
    if (answer.failure) this.body.append(errorBox(answer.failure));
    const isEmpty = !this.body.querySelector(".markdown > *, .gallery, .chips, .note, .error");
    if (isEmpty) this.body.append(setText(make("p", { className: "note" }), "turn.empty"));
    this.#showFacts();
    this.copy.hidden = !answer.content;
    this.tools.hidden = false;
  }

  #reason() {
    if (!this.reasoning) {
      this.reasoningTitle = setText(make("span"), "turn.reasoning.now");
      const summary = make("summary", {}, this.reasoningTitle);
      this.reasoningText = make("div", { className: "markdown" });
      this.reasoning = make("details", { className: "reasoning", open: true }, summary, this.reasoningText);
      this.reasoningView = new MarkdownView(this.reasoningText);
      this.body.prepend(this.reasoning);
    }
    this.reasoningView.update(this.answer.reasoning);
  }

  #closeReasoning() {
    if (this.reasoningTitle.dataset.text !== "turn.reasoning.now") return;
    const { startedAt, reasoningEndedAt, endedAt } = this.answer;
    const took = ((reasoningEndedAt || endedAt) - startedAt) / 1000;
    setText(this.reasoningTitle, "turn.reasoning.took", { seconds: seconds(took) });
    this.reasoning.open = false;
  }

  /** Show the pictures that the text does not: the raw profile has them as data only. */
  #showPictures() {
    const missing = this.answer.pictures.filter(({ url }) => !this.answer.content.includes(url));
    const shown = missing.filter(({ url }) => isOwnPicture(url));
    if (shown.length) this.body.append(make("div", { className: "gallery" }, ...shown.map(picture)));
    this.#showLinks(missing.filter((one) => !shown.includes(one)));
  }

  #showFiles() {
    this.#showLinks(this.answer.files.filter(({ url }) => !this.answer.content.includes(url)));
  }

  #showLinks(assets) {
    if (!assets.length) return;
    const items = assets.map(({ url, name }) => {
      const link = make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, name || url);
      return make("li", { className: "chip" }, icon("file"), link);
    });
    this.body.append(make("ul", { className: "chips" }, ...items));
  }

  #showFacts() {
    const { answer } = this;
    const fact = (name, values) => this.facts.append(setText(make("li"), name, values));
    const took = (at) => seconds((at - answer.startedAt) / 1000);
    if (answer.upstreamModel) this.facts.append(make("li", { className: "mono" }, answer.upstreamModel));
    if (answer.finish) fact("turn.finish", { reason: answer.finish });
    if (answer.firstAt) fact("turn.first", { seconds: took(answer.firstAt) });
    fact("turn.total", { seconds: took(answer.endedAt) });
    if (answer.usage) {
      const { prompt_tokens: input, completion_tokens: output, estimated } = answer.usage;
      fact(estimated ? "turn.tokens.estimated" : "turn.tokens", { input, output });
    }
    if (answer.requestId && !answer.failure)
      this.facts.append(make("li", { className: "mono" }, answer.requestId));
  }
}

function picture({ url }) {
  const image = make("img", { src: url, alt: t("turn.picture") });
  return make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, image);
}

/** Return what is to be known of a failure, all of it selectable. */
function errorBox(failure) {
  const facts = make("dl");
  const fact = (name, value) => value && facts.append(make("div", {}, name, make("dd", {}, String(value))));
  const term = (text) => make("dt", {}, text);
  fact(term("status"), failure.status > 0 && failure.status !== 200 ? failure.status : "");
  fact(term("type"), failure.type);
  fact(term("code"), failure.code);
  fact(term("param"), failure.param);
  fact(setText(make("dt"), "error.request_id"), failure.requestId);
  const box = make("div", { className: "error" }, make("p", {}, failure.message), facts);
  box.setAttribute("role", "alert");
  if (failure.retryAfter)
    box.append(setText(make("p", { className: "note" }), "error.retry_after", { seconds: failure.retryAfter }));
  return box;
}
