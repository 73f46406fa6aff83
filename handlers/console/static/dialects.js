// The dialects that a message can be sent in: each with its request, its events and its programs.
//
// `body` makes the request of turns, `take` adds one event to an answer, and `python` is the call of
// the official package with `fields` for its arguments.

import { GatewayError } from "./gateway.js";

const NO_LIMIT = 4096; // Anthropic's dialect wants a limit

function parts(turn, text, file) {
  const said = turn.text ? [{ type: text, text: turn.text }] : [];
  return [...said, ...turn.files.map(({ id }) => file(id))];
}

function messages(turns, question) {
  return turns
    .map((turn) => {
      if (turn.role === "user") return { role: "user", content: turn.files.length ? question(turn) : turn.text };
      return turn.answer.content ? { role: "assistant", content: turn.answer.content } : null;
    })
    .filter(Boolean);
}

const chat = {
  link: "chat_completions",
  end: "inspect.end",
  body({ model, system, turns }) {
    const said = messages(turns, (turn) => parts(turn, "text", (id) => ({ type: "file", file: { file_id: id } })));
    if (system) said.unshift({ role: "system", content: system });
    return { model, messages: said, stream: true, stream_options: { include_usage: true } };
  },
  take(answer, data, now) {
    if (data === "[DONE]") {
      answer.isDone = true;
      return;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw new GatewayError(chunk.error, { requestId: answer.requestId });
    answer.learn({ usage: chunk.usage, model: chunk.upstream_model, pictures: chunk.x_images, files: chunk.x_files });
    for (const { delta, finish_reason: finish } of chunk.choices ?? []) {
      if (finish) answer.finish = finish;
      answer.think(delta?.reasoning_content, now);
      answer.say(delta?.content, now);
      answer.annotations.push(...(delta?.annotations ?? []));
    }
  },
  python: (fields, base) => `from openai import OpenAI

client = OpenAI(base_url=${base})

stream = client.chat.completions.create(
${fields})
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
`,
};

const responses = {
  link: "responses",
  end: "inspect.end.responses",
  body({ model, system, turns }) {
    const question = (turn) => parts(turn, "input_text", (id) => ({ type: "input_file", file_id: id }));
    return { model, ...(system ? { instructions: system } : {}), input: messages(turns, question), stream: true };
  },
  take(answer, data, now) {
    const event = JSON.parse(data);
    if (event.type === "error") throw new GatewayError(event.error ?? event, { requestId: answer.requestId });
    if (event.type === "response.output_text.delta") answer.say(event.delta, now);
    if (/^response\.reasoning_(summary_)?text\.delta$/.test(event.type)) answer.think(event.delta, now);
    if (!/^response\.(completed|incomplete)$/.test(event.type)) return;
    const { usage, status, upstream_model: model, x_images: pictures, x_files: files } = event.response;
    const { input_tokens: input, output_tokens: output, estimated } = usage ?? {};
    const counted = usage && { prompt_tokens: input, completion_tokens: output, estimated };
    answer.learn({ usage: counted, model, pictures, files });
    answer.finish = event.response.incomplete_details?.reason ?? status;
    answer.isDone = true;
  },
  python: (fields, base) => `from openai import OpenAI

client = OpenAI(base_url=${base})

stream = client.responses.create(
${fields})
for event in stream:
    if event.type == "response.output_text.delta":
        print(event.delta, end="", flush=True)
print()
`,
};

const anthropic = {
  link: "messages",
  end: "inspect.end.messages",
  body({ model, system, turns }) {
    const file = (id) => ({ type: "document", source: { type: "file", file_id: id } });
    const said = messages(turns, (turn) => parts(turn, "text", file));
    return { model, max_tokens: NO_LIMIT, ...(system ? { system } : {}), messages: said, stream: true };
  },
  take(answer, data, now) {
    const event = JSON.parse(data);
    if (event.type === "error") throw new GatewayError(event.error, { requestId: answer.requestId });
    if (event.type === "content_block_start" && event.index && event.content_block.type === "text") answer.part();
    answer.say(event.delta?.text, now);
    answer.think(event.delta?.thinking, now);
    if (event.delta?.stop_reason) answer.finish = event.delta.stop_reason;
    if (event.type === "message_delta") {
      const { input_tokens: input, cache_read_input_tokens: cached = 0, output_tokens: output } = event.usage;
      answer.learn({ usage: { prompt_tokens: input + cached, completion_tokens: output } });
    }
    if (event.type === "message_stop") answer.isDone = true;
  },
  // This package adds /v1 itself, and knows the key by another variable.
  python: (fields, base) => `import os

from anthropic import Anthropic

client = Anthropic(base_url=${base.replace(/\/v1"$/, '"')}, api_key=os.environ["OPENAI_API_KEY"])

stream = client.messages.create(
${fields})
for event in stream:
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        print(event.delta.text, end="", flush=True)
print()
`,
};

export const DIALECTS = { chat, responses, messages: anthropic };
