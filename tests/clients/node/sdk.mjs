// The official SDK for Node, as its users write it.
import assert from "node:assert/strict";
import OpenAI, { APIError, toFile } from "openai";
import { CUT, failureOf, model, passes } from "./asking.mjs";

const client = new OpenAI({ maxRetries: 0 });
const user = (content) => [{ role: "user", content }];

async function models() {
  const names = [];
  for await (const one of client.models.list()) names.push(one.id);
  assert.ok(names.includes(model));
  assert.equal((await client.models.retrieve(model)).id, model);
}

async function wholeAndStreamedAgree() {
  const messages = user("several messages");
  const whole = await client.chat.completions.create({ model, messages });
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.ok(whole._request_id);
  let text = "";
  let usage = null;
  const stream = await client.chat.completions.create({
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.total_tokens, whole.usage.total_tokens);
  const helper = client.chat.completions.stream({ model, messages });
  assert.equal(await helper.finalContent(), text);
}

async function aStreamEndsAtOnce() {
  const stream = await client.chat.completions.create({ model, messages: user("6*7"), stream: true });
  let last = 0;
  for await (const chunk of stream) if (chunk.choices[0]?.finish_reason) last = performance.now();
  assert.ok(performance.now() - last < 5000); // it reads on until the body ends
}

async function aCallerMayLeave() {
  const stream = await client.chat.completions.create({
    model,
    messages: user("long 5000"),
    stream: true,
  });
  for await (const chunk of stream) {
    assert.equal(chunk.object, "chat.completion.chunk");
    break;
  }
  stream.controller.abort();
}

async function picturesAndFiles() {
  const drawn = await client.images.generate({ prompt: "a boat", model: "dall-e-3", size: "64x64" });
  const content = Buffer.from(await (await fetch(drawn.data[0].url)).arrayBuffer());
  assert.equal(content.subarray(1, 4).toString(), "PNG");
  const image = await toFile(content, "boat.png", { type: "image/png" });
  const edited = await client.images.edit({
    image: [image, image],
    mask: image,
    prompt: "add a hat",
    model: "gpt-image-1",
    size: "64x64",
  });
  assert.ok(edited.data[0].b64_json);
  const made = await client.files.create({
    file: await toFile(Buffer.from("Boats float."), "notes.txt"),
    purpose: "user_data",
  });
  assert.equal(await (await client.files.content(made.id)).text(), "Boats float.");
  const parts = [
    { type: "text", text: "What is in it?" },
    { type: "file", file: { file_id: made.id } },
    { type: "image_url", image_url: { url: `data:image/png;base64,${content.toString("base64")}` } },
  ];
  const said = await client.chat.completions.create({ model, messages: user(parts) });
  assert.match(said.choices[0].message.content, /notes\.txt/);
  assert.equal((await client.files.delete(made.id)).deleted, true);
}

async function picturesComeAsEvents() {
  const types = [];
  const asked = { prompt: "two boats", model: "gpt-image-1", size: "64x64", n: 2, stream: true, partial_images: 1 };
  for await (const event of await client.images.generate(asked)) {
    types.push(event.type);
    assert.equal(Buffer.from(event.b64_json, "base64").subarray(1, 4).toString(), "PNG");
  }
  assert.equal(types.filter((type) => type === "image_generation.completed").length, 2);
}

async function speechAndRecordings() {
  const input = "Boats float. 船。";
  const spoken = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input });
  assert.equal(spoken.headers.get("content-type"), "audio/mpeg");
  const sound = Buffer.from(await spoken.arrayBuffer());
  assert.equal(sound.subarray(0, 3).toString(), "ID3");
  const file = await toFile(sound, "speech.mp3");
  const heard = await client.audio.transcriptions.create({ model: "whisper-1", file });
  assert.equal(heard.text, input);
  let streamed = "";
  const events = await client.audio.transcriptions.create({ model: "whisper-1", file, stream: true });
  for await (const event of events) if (event.type === "transcript.text.delta") streamed += event.delta;
  assert.equal(streamed, input);
}

async function aConversationGoesOnByItsResponse() {
  const first = await client.responses.create({ model, input: "My name is Ada." });
  const asked = { model, input: "What is my name?", previous_response_id: first.id };
  assert.match((await client.responses.create(asked)).output_text, /Ada/);
  const streamed = await client.responses.stream(asked).finalResponse();
  assert.match(streamed.output_text, /Ada/);
}

async function fails(work, kind, code) {
  const error = await work.then(
    () => assert.fail(`no ${kind.name}`),
    (reason) => reason,
  );
  assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error}`);
  if (code !== undefined) assert.equal(error.code, code);
  return error;
}

async function errorsHaveTheirClasses() {
  const ask = (text, more = {}) =>
    client.chat.completions.create({ model, messages: user(text), ...more });
  await fails(ask("/fault 413"), OpenAI.BadRequestError, "context_length_exceeded");
  const limited = await fails(ask("/fault 429 5"), OpenAI.RateLimitError, "rate_limit_exceeded");
  assert.ok(limited.requestID);
  await fails(ask("Hello", { model: "no-such-model" }), OpenAI.NotFoundError, "model_not_found");
  await fails(ask("/fault 500"), OpenAI.InternalServerError);
  const stranger = new OpenAI({ maxRetries: 0, apiKey: "dead-token" });
  await fails(
    stranger.chat.completions.create({ model, messages: user("Hello") }),
    OpenAI.AuthenticationError,
    "invalid_api_key",
  );
}

async function whatIsCutFails() {
  const streamed = async (stream, text = "") => {
    for await (const event of await stream) text += JSON.stringify(event);
    return text;
  };
  const asked = { model, stream: true };
  const chat = () => streamed(client.chat.completions.create({ ...asked, messages: user(CUT) }));
  const responses = () => streamed(client.responses.create({ ...asked, input: CUT }));
  for (const ask of [chat, responses]) {
    const error = await failureOf(ask);
    assert.ok(error instanceof APIError, `${error}`);
    assert.equal(error.code, "upstream_cut");
  }
}

await passes({
  models,
  "chat: whole, stream": wholeAndStreamedAgree,
  "chat: ends at once": aStreamEndsAtOnce,
  "chat: caller leaves": aCallerMayLeave,
  "pictures, files": picturesAndFiles,
  "streamed pictures": picturesComeAsEvents,
  "speech, recordings": speechAndRecordings,
  "responses: conversation": aConversationGoesOnByItsResponse,
  "chat: errors": errorsHaveTheirClasses,
  "chat, responses: cut": whatIsCutFails,
});
