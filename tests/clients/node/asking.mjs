// What the programs for Node share: where they ask, what they ask, and how they say what passed.
import assert from "node:assert/strict";

export const baseURL = process.env.OPENAI_BASE_URL;
export const apiKey = process.env.OPENAI_API_KEY;
export const model = process.env.MODEL;

const TRIES = 20;
export const PLAIN = "What is 6*7?";
export const WEATHER = "What is the weather in Paris?";
export const TRIP = "Plan 3 days in Rome";
export const CUT = "long 100 /fault cut 5";
export const REPORT = "19 degrees, windy";

// Those to try: `chat: stream`, or `: models` for what is of no dialect.
const wanted = new Set(process.env.FEATURES.split("\n"));

function isWanted(name) {
  const [features, dialects = ""] = name.split(": ").reverse();
  return dialects.split(", ").some((dialect) => features.split(", ").some((each) => wanted.has(`${dialect}: ${each}`)));
}

// Run each feature that is wanted, an asynchronous function, and say its name once it has passed.
export async function passes(features) {
  for (const [name, feature] of Object.entries(features)) {
    if (!isWanted(name)) continue;
    await feature();
    console.log(`passed ${name}`);
  }
}

// The pieces of the arguments of a call are more than one. A busy machine may read all at once what
// came one after the other, so there are several tries.
export async function comeAsMade(made) {
  for (let left = TRIES; left > 0; left -= 1) {
    const pieces = (await made()).filter(Boolean);
    assert.equal(pieces.join(""), '{"city": "Paris"}');
    if (pieces.length > 1) return;
  }
  assert.fail("the call came in one piece each time");
}

// The error that ends the work; work that ends as if all were well is one, too.
export async function failureOf(work) {
  const failure = await work().then(
    (value) => ({ value }),
    (error) => ({ error }),
  );
  assert.ok("error" in failure, `it ended as if it were whole: ${JSON.stringify(failure.value)}`);
  return failure.error;
}
