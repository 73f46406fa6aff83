// Puts the console together, and carries a message through it.

import { Answer } from "./answer.js";
import { addAppearance } from "./appearance.js";
import { Attachments } from "./attachments.js";
import { Composer } from "./composer.js";
import { DIALECTS } from "./dialects.js";
import { byId, make, oncePerFrame } from "./elements.js";
import { address, Gateway, GatewayError } from "./gateway.js";
import { t, translate } from "./i18n.js";
import { Inspector } from "./inspector.js";
import { allowPicturesFrom } from "./markdown.js";
import { Setup } from "./setup.js";
import { State } from "./state.js";
import { Transcript } from "./transcript.js";

/** Tell those who do not see the page. */
function say(text) {
  byId("announcer").append(make("p", {}, text));
  while (byId("announcer").childElementCount > 20) byId("announcer").firstElementChild.remove();
}

class Console {
  constructor(gateway) {
    this.gateway = gateway;
    this.turns = [];
    this.controller = null;
    this.lastRequest = null;
    this.inspector = new Inspector();
    this.setup = new Setup(gateway, { onChange: () => this.showRequest(), onModels: (models) => this.state?.showAllowanceOf(models) });
    this.attachments = new Attachments({
      list: byId("files"),
      gateway,
      say,
      onChange: () => this.showRequest(),
    });
    this.composer = new Composer({
      attachments: this.attachments,
      onSend: (text) => this.send(text),
      onStop: () => this.controller?.abort(),
      onChange: () => this.showRequest(),
    });
    this.transcript = new Transcript({
      list: byId("turns"),
      scroller: byId("scroller"),
      latest: byId("latest"),
      say,
      onAgain: (turn) => this.again(turn),
      onEdit: (turn) => this.edit(turn),
    });
    byId("new-chat").addEventListener("click", () => this.restart());
    for (const example of document.querySelectorAll(".example"))
      example.addEventListener("click", () => {
        this.composer.text = example.querySelector("span").textContent;
        this.composer.focus();
      });
    this.showRequest();
  }

  request(turns) {
    const { model, system, profile } = this.setup;
    const dialect = DIALECTS[this.setup.dialect];
    const { links } = this.gateway.index;
    const base = address(links.models).replace(/\/models$/, "");
    return { dialect, url: address(links[dialect.link]), base, profile, body: dialect.body({ model, system, turns }) };
  }

  /** Show the request that would be made now as curl and Python. */
  showRequest() {
    const text = this.composer?.text ?? "";
    const files = this.attachments?.uploaded ?? [];
    const isDraft = Boolean(text || files.length || !this.lastRequest);
    const draft = { role: "user", text: text || (files.length ? "" : t("example.draw")), files };
    this.inspector.show(isDraft ? this.request([...this.turns, draft]) : this.lastRequest, { isDraft });
  }

  /** Send a message; return whether it went out. */
  async send(text) {
    if (this.controller) return false;
    if (!this.gateway.hasKey) {
      showView("setup");
      this.setup.askForKey();
      return false;
    }
    const files = await this.attachments.taken();
    if (!files || this.controller) return false;
    const turn = { role: "user", text, files };
    this.turns.push(turn);
    byId("empty").hidden = true;
    this.transcript.addQuestion(turn);
    this.answer(); // not awaited: the draft is free for the next message
    return true;
  }

  /** Ask for the answer to the last question, and show it while it arrives. */
  async answer() {
    this.lastRequest = this.request(this.turns);
    const answer = new Answer(performance.now(), this.lastRequest.dialect);
    const turn = { role: "assistant", answer, model: this.setup.model };
    this.turns.push(turn);
    const view = this.transcript.addAnswer(turn);
    const draw = oncePerFrame(() => answer.isRunning && view.update());
    this.controller = new AbortController();
    this.composer.setRunning(true);
    say(t("say.answering"));
    try {
      await this.read(answer, draw);
    } catch (error) {
      this.fail(answer, error);
    }
    answer.end(performance.now());
    view.finish();
    this.controller = null;
    this.composer.setRunning(false);
    if (!answer.failure) say(t(answer.isStopped ? "say.stopped" : "say.complete"));
    this.state?.look();
  }

  async read(answer, draw) {
    const { body, profile, url } = this.lastRequest;
    this.inspector.begin(answer.startedAt, `POST ${url}`);
    const stream = await this.gateway.answer({ url, body, profile, signal: this.controller.signal });
    answer.requestId = stream.requestId;
    this.inspector.note(performance.now(), `${stream.status} · x-request-id: ${stream.requestId}`);
    for await (const items of stream.items()) {
      const now = performance.now();
      this.inspector.take(items, now);
      for (const { data } of items) if (data !== undefined) answer.take(data, now);
      draw();
    }
  }

  fail(answer, error) {
    if (error.name === "AbortError") {
      answer.isStopped = true;
      this.inspector.note(performance.now(), t("say.stopped"));
      return;
    }
    answer.failure = error instanceof GatewayError ? error : new GatewayError({ message: String(error) });
    this.inspector.refused(performance.now(), answer.failure);
  }

  /** Forget an answer and all that followed it, and ask for it anew. */
  again(turn) {
    if (this.controller) return;
    this.forgetFrom(this.turns.indexOf(turn));
    this.composer.focus(); // the button is gone
    this.answer();
  }

  /** Take a question back into the draft, without what followed it. */
  edit(turn) {
    if (this.controller) return;
    this.forgetFrom(this.turns.indexOf(turn));
    this.composer.text = turn.text;
    this.composer.focus();
  }

  forgetFrom(at) {
    for (const turn of this.turns.splice(at)) turn.element.remove();
    byId("empty").hidden = this.turns.length > 0;
  }

  restart() {
    this.controller?.abort();
    this.lastRequest = null;
    this.forgetFrom(0);
    this.showRequest();
    showView("chat");
    this.composer.focus();
  }
}

/** On a narrow screen: show one of the three columns. */
function showView(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll("#views button"))
    button.setAttribute("aria-pressed", String(button.value === name));
}

function addControls() {
  for (const button of document.querySelectorAll("#views button"))
    button.addEventListener("click", () => showView(button.value));
  byId("summary-button").addEventListener("click", () => showView("setup"));
  addAppearance();
}

async function start() {
  translate();
  addControls();
  showView("chat");
  const gateway = new Gateway();
  const { version, picture_origin: pictures, links } = await gateway.open();
  byId("version").textContent = version;
  byId("admin").hidden = !links.admin;
  allowPicturesFrom(pictures);
  const page = new Console(gateway);
  page.state = new State(gateway);
  document.documentElement.dataset.ready = "";
  await Promise.all([page.state.look(), page.setup.list()]);
}

try {
  await start();
} catch (error) {
  for (const summary of document.querySelectorAll(".summary")) summary.dataset.state = "unreachable";
  byId("broken").hidden = false;
  byId("broken").textContent = error.message;
}
