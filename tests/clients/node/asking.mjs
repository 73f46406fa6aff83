// What the programs for Node share: where they ask, what they ask, and how they say what passed.
import assert from "node:assert/strict";

export const baseURL = process.env.OPENAI_BASE_URL;
export const apiKey = process.env.OPENAI_API_KEY;
export const model = process.env.MODEL;

export const PLAIN = "What is 6*7?";
export const WEATHER = "What is the weather in Paris?";
export const TRIP = "Plan 3 days in Rome";
export const CUT = "long 100 /fault cut 5";
export const REPORT = "19 degrees, windy";

// Run each feature, an asynchronous function, and say its name once it has passed.
export async function passes(features) {
  for (const [name, feature] of Object.entries(features)) {
    await feature();
    console.log(`passed ${name}`);
  }
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
