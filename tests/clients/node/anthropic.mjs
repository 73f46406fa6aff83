// Anthropic's SDK for Node: whole, streamed, its tool runner, structured outputs, counts, a cut.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { apiKey, baseURL, CUT, failureOf, model, passes, PLAIN, REPORT, TRIP, WEATHER } from "./asking.mjs";

const client = new Anthropic({ apiKey, baseURL: baseURL.replace(/\/v1$/, ""), maxRetries: 0 });
const short = { model, max_tokens: 1024 };
const said = (content) => [{ role: "user", content }];
const textOf = ({ content }) => content.flatMap(({ type, text }) => (type === "text" ? [text] : [])).join("");

await passes({
  "messages: whole": async () => {
    const answer = await client.messages.create({ ...short, system: "Be short.", messages: said(PLAIN) });
    assert.match(textOf(answer), /42/);
    assert.equal(answer.stop_reason, "end_turn");
    const { input_tokens, cache_read_input_tokens, output_tokens } = answer.usage; // the whole prompt may be cached
    assert.ok(input_tokens + cache_read_input_tokens > 0 && output_tokens > 0);
  },
  "messages: stream": async () => {
    let text = "";
    const stream = client.messages.stream({ ...short, messages: said(PLAIN) }).on("text", (piece) => (text += piece));
    const final = await stream.finalMessage();
    assert.match(text, /42/);
    assert.equal(textOf(final), text);
  },
  "messages: ends at once": async () => {
    // What comes after the last event is the end of the body, in the same write.
    const stream = await client.messages.create({ ...short, messages: said(PLAIN), stream: true });
    let last = 0;
    const counts = {};
    for await (const { type } of stream) {
      counts[type] = (counts[type] ?? 0) + 1;
      last = performance.now();
    }
    const waited = performance.now() - last;
    for (const type of ["message_start", "message_delta", "message_stop"]) assert.equal(counts[type], 1, type);
    assert.ok(waited < 2000, `it waited ${waited} ms for the end of the body`);
  },
  "messages: tools": async () => {
    const asked = [];
    const weather = betaZodTool({
      name: "get_weather",
      description: "The weather of a city, now.",
      inputSchema: z.object({ city: z.string() }),
      run: ({ city }) => {
        asked.push(city);
        return REPORT;
      },
    });
    const fields = { ...short, tools: [weather], messages: said(WEATHER) };
    assert.match(textOf(await client.beta.messages.toolRunner(fields)), /19 degrees/);
    let last;
    for await (const stream of client.beta.messages.toolRunner({ ...fields, stream: true })) last = await stream.finalMessage();
    assert.match(textOf(last), /19 degrees/);
    assert.deepEqual(asked, ["Paris", "Paris"]);
  },
  "messages: JSON": async () => {
    const format = zodOutputFormat(z.object({ city: z.string(), days: z.number().int() }));
    const answer = await client.messages.parse({ ...short, messages: said(TRIP), output_config: { format } });
    assert.deepEqual(answer.parsed_output, { city: "Rome", days: 3 });
  },
  "messages: counts": async () => {
    const plain = await client.messages.countTokens({ model, messages: said("Hello") });
    const longer = await client.messages.countTokens({ model, system: "Be short.", messages: said("Hello, how are you?") });
    assert.ok(longer.input_tokens > plain.input_tokens && plain.input_tokens > 0);
  },
  "messages: errors": async () => {
    const error = await failureOf(() => client.messages.create({ ...short, model: "no-such-model", messages: said(PLAIN) }));
    assert.ok(error instanceof Anthropic.NotFoundError, error);
    assert.match(error.message, /no-such-model/);
  },
  "messages: cut": async () => {
    const streamed = await failureOf(() => client.messages.stream({ ...short, messages: said(CUT) }).finalMessage());
    assert.match(streamed.message, /cut off/);
    const whole = await failureOf(() => client.messages.create({ ...short, messages: said(CUT) }));
    assert.match(whole.message, /cut off/);
  },
});
