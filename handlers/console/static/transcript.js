// The conversation as it is seen: questions, answers, and the view that follows the newest text.

import { AnswerView } from "./answer_view.js";
import { copyButton } from "./clipboard.js";
import { icon, make } from "./elements.js";
import { Follower } from "./follow.js";
import { setText } from "./i18n.js";

export class Transcript {
  constructor({ list, scroller, latest, say, onAgain, onEdit }) {
    Object.assign(this, { list, say, onAgain, onEdit });
    this.follower = new Follower(scroller, list, (follows) => (latest.hidden = follows));
    latest.addEventListener("click", () => this.follower.toEnd());
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
    this.follower.toEnd();
  }
}

function chip({ name, picture }) {
  const shown = make("span", { className: "chip-name", title: name }, name);
  return make("li", { className: "chip" }, ...(picture ? [picture] : []), shown);
}
