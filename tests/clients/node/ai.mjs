// The AI SDK of Vercel, with its providers for OpenAI, in both dialects, and for Anthropic.
import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateImage, generateSpeech, generateText, Output, stepCountIs, streamText, tool, transcribe } from "ai";
import { z } from "zod";
import { apiKey, baseURL, comeAsMade, CUT, failureOf, model, passes, PLAIN, REPORT, TRIP, WEATHER } from "./asking.mjs";

const openai = createOpenAI({ baseURL, apiKey });
const anthropic = createAnthropic({ baseURL, apiKey });
const quick = { maxRetries: 0 };

async function collected(fields) {
  const errors = [];
  const result = streamText({ ...quick, ...fields, onError: ({ error }) => errors.push(error) });
  let text = "";
  for await (const piece of result.textStream) text += piece;
  if (errors.length) throw errors[0];
  // Its provider for Anthropic adds parts of its own to what came.
  const kinds = ({ content }) => content.map(({ type }) => type).filter((type) => type !== "custom");
  const steps = (await result.steps).map(kinds);
  return { text, steps, finishReason: await result.finishReason, usage: await result.usage };
}

function speaking(language, dialect) {
  const asked = [];
  const weather = tool({
    description: "The weather of a city, now.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return REPORT;
    },
  });
  const withTools = { model: language, prompt: WEATHER, tools: { get_weather: weather }, stopWhen: stepCountIs(3) };
  return {
    [`${dialect}: whole`]: async () => {
      const answer = await generateText({ ...quick, model: language, system: "Be short.", prompt: PLAIN });
      assert.match(answer.text, /42/);
      assert.equal(answer.finishReason, "stop");
      assert.ok(answer.usage.outputTokens > 0);
    },
    [`${dialect}: stream`]: async () => {
      const answer = await collected({ model: language, prompt: PLAIN });
      assert.match(answer.text, /42/);
      assert.equal(answer.finishReason, "stop");
      assert.ok(answer.usage.outputTokens > 0);
    },
    [`${dialect}: tools`]: async () => {
      const whole = await generateText({ ...quick, ...withTools });
      assert.match(whole.text, /19 degrees/);
      const streamed = await collected(withTools);
      assert.match(streamed.text, /19 degrees/);
      assert.deepEqual(streamed.steps, [["tool-call", "tool-result"], ["text"]]); // no empty text before
      assert.deepEqual(asked, ["Paris", "Paris"]);
    },
    [`${dialect}: calls as made`]: () => comeAsMade(async () => {
      const pieces = [];
      for await (const part of streamText({ ...quick, ...withTools }).fullStream) {
        if (part.type === "tool-input-delta") pieces.push(part.delta);
      }
      return pieces;
    }),
    [`${dialect}: JSON`]: async () => {
      const output = Output.object({ schema: z.object({ city: z.string(), days: z.number().int() }) });
      const answer = await generateText({ ...quick, model: language, prompt: TRIP, output });
      assert.deepEqual(answer.output, { city: "Rome", days: 3 });
    },
    [`${dialect}: cut`]: async () => {
      await failureOf(() => collected({ model: language, prompt: CUT }));
      await failureOf(() => generateText({ ...quick, model: language, prompt: CUT }));
    },
  };
}

async function picturesAndSounds() {
  const drawn = await generateImage({ ...quick, model: openai.image("dall-e-3"), prompt: "two boats", size: "64x64", n: 2 });
  assert.equal(drawn.images.length, 2);
  assert.equal(drawn.images[0].mediaType, "image/png");
  const input = "Boats float. 船。";
  const { audio } = await generateSpeech({ ...quick, model: openai.speech("tts-1"), text: input, voice: "alloy" });
  const heard = await transcribe({ ...quick, model: openai.transcription("whisper-1"), audio: audio.uint8Array });
  assert.equal(heard.text, input);
}

await passes({
  ...speaking(openai.chat(model), "chat"),
  ...speaking(openai.responses(model), "responses"),
  ...speaking(anthropic(model), "messages"),
  "pictures, sounds": picturesAndSounds,
});
