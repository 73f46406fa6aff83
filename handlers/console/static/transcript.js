// The conversation as it is seen: questions, answers, and the view that follows the newest text.

import { AnswerView } from "./answer_view.js";
import { copyButton } from "./clipboard.js";
import { icon, make } from "./elements.js";
import { setText } from "./i18n.js";

const AT_END = 48; // pixels from the end that still count as being there

export class Transcript {
  constructor({ list, scroller, latest, say, onAgain, onEdit }) {
    Object.assign(this, { list, scroller, latest, say, onAgain, onEdit });
    this.follows = true;
    this.lastTop = 0;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    latest.addEventListener("click", () => this.toEnd());
    const resized = new ResizeObserver(() => this.follows && this.#jump());
    for (const element of [list, scroller]) resized.observe(element);
  }

  toEnd() {
    this.follows = true;
    this.latest.hidden = true;
    this.#jump();
  }

  #jump() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END;
    // Only who scrolls up leaves the end; text and pictures that arrive move it away as well.
    if (isAtEnd || scrollTop < this.lastTop) this.follows = isAtEnd;
    this.lastTop = scrollTop;
    this.latest.hidden = this.follows;
  }

  addQuestion(turn) {
    const text = make("p", { className: "question" }, turn.text);
    const body = make("div", { className: "body" }, ...(turn.text ? [text] : []));
    if (turn.files.length) body.append(make("ul", { className: "chips" }, ...turn.files.map(chip)));
    const edit = make("button", { type: "button", className: "quiet" }, icon("edit"), setText(make("span"), "turn.edit"));
    edit.addEventListener("click", () => this.onEdit(turn));
    const tools = make("div", { className: "tools" }, copyButton(() => turn.text), edit);
    const who = setText(make("h2", { className: "who" }), "turn.you");
    this.#append(turn, make("article", { className: "turn you" }, who, tools, body));
  }

  addAnswer(turn) {
    const again = make("button", { type: "button", className: "quiet" }, icon("again"), setText(make("span"), "turn.again"));
    again.addEventListener("click", () => this.onAgain(turn));
    const view = new AnswerView(turn, { again, say: this.say });
    this.#append(turn, view.element);
    return view;
  }

  #append(turn, element) {
    turn.element = element;
    this.list.append(element);
    this.toEnd();
  }
}

function chip({ name, picture }) {
  const shown = make("span", { className: "chip-name", title: name }, name);
  return make("li", { className: "chip" }, ...(picture ? [picture] : []), shown);
}
