// LangChain for JavaScript, in both dialects.
import assert from "node:assert/strict";
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { apiKey, baseURL, CUT, failureOf, model, passes, PLAIN, REPORT, TRIP, WEATHER } from "./asking.mjs";

const weather = tool(async ({ city }) => `${city}: ${REPORT}`, {
  name: "get_weather",
  description: "The weather of a city, now.",
  schema: z.object({ city: z.string() }),
});

async function collected(chat, messages) {
  let whole;
  for await (const piece of await chat.stream(messages)) whole = whole === undefined ? piece : whole.concat(piece);
  return whole;
}

function speaking(dialect) {
  const chat = new ChatOpenAI({
    model,
    apiKey,
    maxRetries: 0,
    useResponsesApi: dialect === "responses",
    configuration: { baseURL },
  });
  const asked = [new SystemMessage("Be short."), new HumanMessage(PLAIN)];
  const runs = async (ask) => {
    const messages = [new HumanMessage(WEATHER)];
    const bound = chat.bindTools([weather]);
    const called = await ask(bound, messages);
    assert.deepEqual(called.tool_calls.map(({ name, args }) => ({ name, args })), [
      { name: "get_weather", args: { city: "Paris" } },
    ]);
    const result = await weather.invoke(called.tool_calls[0]);
    assert.ok(result instanceof ToolMessage);
    const answered = await ask(bound, [...messages, called, result]);
    assert.match(answered.text, /19 degrees/);
  };
  return {
    [`${dialect}: whole`]: async () => {
      const answer = await chat.invoke(asked);
      assert.match(answer.text, /42/);
      assert.ok(answer.usage_metadata.output_tokens > 0);
    },
    [`${dialect}: stream`]: async () => {
      const answer = await collected(chat, asked);
      assert.match(answer.text, /42/);
      assert.ok(answer.usage_metadata.output_tokens > 0);
    },
    [`${dialect}: tools`]: async () => {
      await runs((bound, messages) => bound.invoke(messages));
      await runs(collected);
    },
    [`${dialect}: JSON`]: async () => {
      const planner = chat.withStructuredOutput(z.object({ city: z.string(), days: z.number().int() }));
      assert.deepEqual(await planner.invoke(TRIP), { city: "Rome", days: 3 });
    },
    [`${dialect}: cut`]: async () => {
      await failureOf(() => collected(chat, CUT));
      await failureOf(() => chat.invoke(CUT));
    },
  };
}

await passes({ ...speaking("chat"), ...speaking("responses") });
