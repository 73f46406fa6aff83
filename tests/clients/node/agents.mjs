// The Agents SDK of OpenAI, in both dialects; it would send traces elsewhere otherwise.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { Agent, OpenAIConversationsSession, OpenAIProvider, Runner, tool } from "@openai/agents";
import { z } from "zod";
import { apiKey, baseURL, comeAsMade, CUT, failureOf, model, passes, PLAIN, REPORT, TRIP, WEATHER } from "./asking.mjs";

function speaking(dialect) {
  const modelProvider = new OpenAIProvider({ apiKey, baseURL, useResponses: dialect === "responses" });
  const runner = new Runner({ modelProvider, model, tracingDisabled: true });
  const plain = new Agent({ name: "Plain", instructions: "Be short." });
  const asked = [];
  const weather = tool({
    name: "get_weather",
    description: "The weather of a city, now.",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return REPORT;
    },
  });
  const reporter = new Agent({ name: "Reporter", instructions: "Use the tool.", tools: [weather] });
  const collected = async (agent, question) => {
    const result = await runner.run(agent, question, { stream: true });
    let text = "";
    for await (const piece of result.toTextStream()) text += piece;
    await result.completed;
    return { text, finalOutput: result.finalOutput };
  };
  return {
    [`${dialect}: whole`]: async () => {
      const { finalOutput } = await runner.run(plain, PLAIN);
      assert.match(finalOutput, /42/);
    },
    [`${dialect}: stream`]: async () => {
      const { text, finalOutput } = await collected(plain, PLAIN);
      assert.match(text, /42/);
      assert.equal(text, finalOutput);
    },
    [`${dialect}: tools`]: async () => {
      assert.match((await runner.run(reporter, WEATHER)).finalOutput, /19 degrees/);
      assert.match((await collected(reporter, WEATHER)).finalOutput, /19 degrees/);
      assert.deepEqual(asked, ["Paris", "Paris"]);
    },
    [`${dialect}: calls as made`]: () => comeAsMade(async () => {
      const result = await runner.run(reporter, WEATHER, { stream: true });
      const pieces = [];
      for await (const { type, data } of result) {
        if (type !== "raw_model_stream_event" || data.type !== "model") continue;
        const { event } = data; // as it came, in either dialect
        const calls = event.choices?.[0]?.delta?.tool_calls ?? [];
        pieces.push(...calls.map((call) => call.function?.arguments ?? ""));
        if (event.type === "response.function_call_arguments.delta") pieces.push(event.delta);
      }
      await result.completed;
      return pieces;
    }),
    [`${dialect}: JSON`]: async () => {
      const outputType = z.object({ city: z.string(), days: z.number().int() });
      const planner = new Agent({ name: "Planner", instructions: "Plan.", outputType });
      assert.deepEqual((await runner.run(planner, TRIP)).finalOutput, { city: "Rome", days: 3 });
    },
    [`${dialect}: cut`]: async () => {
      await failureOf(() => collected(plain, CUT));
      await failureOf(() => runner.run(plain, CUT));
    },
  };
}

// A session that the gateway keeps as a conversation.
async function session() {
  const modelProvider = new OpenAIProvider({ apiKey, baseURL, useResponses: true });
  const runner = new Runner({ modelProvider, model, tracingDisabled: true });
  const agent = new Agent({ name: "Plain", instructions: "Be short." });
  const kept = new OpenAIConversationsSession({ client: new OpenAI({ apiKey, baseURL, maxRetries: 0 }) });
  await runner.run(agent, "My name is Ada.", { session: kept });
  assert.match((await runner.run(agent, PLAIN, { session: kept })).finalOutput, /42/);
  assert.deepEqual((await kept.getItems()).map(({ role }) => role), ["user", "assistant", "user", "assistant"]);
  assert.equal((await kept.popItem()).role, "assistant");
  assert.equal((await kept.getItems()).length, 3);
  await kept.clearSession();
}

await passes({ ...speaking("chat"), ...speaking("responses"), "responses: session": session });
