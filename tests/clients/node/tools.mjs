// Functions and JSON on demand with the official SDK for Node.
//
// Each of them whole and streamed, in both dialects: with a model that does as told, with one that
// first answers badly and is repaired (/scene slip), and with one that never complies (/scene
// disobedient).
import assert from "node:assert/strict";
import OpenAI from "openai";
import { model, passes, WEATHER as question } from "./asking.mjs";

const client = new OpenAI({ maxRetries: 2 }); // an answer that will not do is not asked for again
const schema = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
const weather = {
  name: "get_weather",
  description: "The weather of a city, now.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};

// --- chat completions -------------------------------------------------------------------

const chat = {
  whole: (fields) => client.chat.completions.create({ model, ...fields }),
  streamed: (fields) => client.chat.completions.stream({ model, ...fields }).finalChatCompletion(),
};
const user = (content) => [{ role: "user", content }];
const tools = [{ type: "function", function: weather }];
const response_format = { type: "json_schema", json_schema: { name: "trip", strict: true, schema } };

async function chatCallsAndTakesTheResult(ask, scene) {
  const messages = user(`${scene} ${question}`);
  const called = await ask({ messages, tools });
  assert.equal(called.choices[0].finish_reason, "tool_calls");
  const { role, content, tool_calls } = called.choices[0].message;
  assert.equal(tool_calls.length, 1);
  assert.equal(tool_calls[0].function.name, "get_weather");
  assert.equal(JSON.parse(tool_calls[0].function.arguments).city, "Paris");
  const result = { role: "tool", tool_call_id: tool_calls[0].id, content: "19 degrees, windy" };
  const answered = await ask({ messages: [...messages, { role, content, tool_calls }, result], tools });
  assert.equal(answered.choices[0].finish_reason, "stop");
  assert.match(answered.choices[0].message.content, /19 degrees, windy/);
}

async function chatWritesJson(ask, scene) {
  const reply = await ask({ messages: user(`${scene} Plan 3 days in Rome`), response_format });
  assert.deepEqual(JSON.parse(reply.choices[0].message.content), { city: "Rome", days: 3 });
}

// The helper that does the round trip by itself.
async function theHelperRunsTheFunction(stream) {
  const asked = [];
  const run = client.chat.completions.runTools({
    model,
    stream,
    messages: user(question),
    tools: [
      {
        type: "function",
        function: {
          ...weather,
          parse: JSON.parse,
          function: ({ city }) => {
            asked.push(city);
            return "19 degrees";
          },
        },
      },
    ],
  });
  assert.match(await run.finalContent(), /19 degrees/);
  assert.deepEqual(asked, ["Paris"]);
}

// --- responses --------------------------------------------------------------------------

const responses = {
  whole: (fields) => client.responses.create({ model, ...fields }),
  streamed: (fields) => client.responses.stream({ model, ...fields }).finalResponse(),
};
const functions = [{ type: "function", ...weather }];
const text = { format: { type: "json_schema", name: "trip", strict: true, schema } };

async function responsesCallAndTakeTheResult(ask, scene) {
  const called = await ask({ input: `${scene} ${question}`, tools: functions });
  const call = called.output.at(-1);
  assert.equal(call.type, "function_call");
  assert.equal(JSON.parse(call.arguments).city, "Paris");
  const answered = await ask({
    input: [{ type: "function_call_output", call_id: call.call_id, output: "19 degrees, windy" }],
    previous_response_id: called.id,
    tools: functions,
  });
  assert.match(answered.output_text, /19 degrees, windy/);
}

async function responsesWriteJson(ask, scene) {
  const reply = await ask({ input: `${scene} Plan 3 days in Rome`, text });
  assert.deepEqual(JSON.parse(reply.output_text), { city: "Rome", days: 3 });
}

// --- a model that never complies ----------------------------------------------------------

async function refused(work, code) {
  const error = await work.then(
    () => assert.fail("it was answered"),
    (reason) => reason,
  );
  assert.equal(error.code, code, `${error}`);
}

async function neverComplies(ask, fields) {
  const { calls, json } = fields;
  await refused(ask(calls), "tool_use_failed");
  await refused(ask(json), "json_validate_failed");
}

const scene = "/scene disobedient";
async function chats() {
  for (const ask of [chat.whole, chat.streamed]) {
    for (const manner of ["", "/scene slip"]) {
      await chatCallsAndTakesTheResult(ask, manner);
      await chatWritesJson(ask, manner);
    }
    await neverComplies(ask, {
      calls: { messages: user(`${scene} ${question}`), tools },
      json: { messages: user(`${scene} Plan 3 days in Rome`), response_format },
    });
  }
  await theHelperRunsTheFunction(false);
  await theHelperRunsTheFunction(true);
}

async function manyResponses() {
  for (const ask of [responses.whole, responses.streamed]) {
    for (const manner of ["", "/scene slip"]) {
      await responsesCallAndTakeTheResult(ask, manner);
      await responsesWriteJson(ask, manner);
    }
    await neverComplies(ask, {
      calls: { input: `${scene} ${question}`, tools: functions },
      json: { input: `${scene} Plan 3 days in Rome`, text },
    });
  }
}

await passes({ "chat: tools, JSON": chats, "responses: tools, JSON": manyResponses });
