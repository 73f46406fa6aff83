// Arithmetic of totals: sums of steps and groups, and quantiles of times to the first token.

const EMPTY = { calls: 0, prompt: 0, completion: 0, counts: [] };

/** Return the sum of all totals. */
export function sums(totals) {
  return totals.reduce(
    (sum, one) => ({
      calls: sum.calls + one.calls,
      prompt: sum.prompt + one.prompt_tokens,
      completion: sum.completion + one.completion_tokens,
      counts: one.first_token_counts.map((count, at) => count + (sum.counts[at] ?? 0)),
    }),
    EMPTY,
  );
}

/** Return the sums of each step, by when it starts. */
export function byStep(totals, places) {
  return places.map((at) => sums(totals.filter(({ starts_at: start }) => start === at)));
}

/** Return the sums of each group, those with most calls first. */
export function groups(totals) {
  const names = [...new Set(totals.map(({ group }) => group))];
  const found = names.map((group) => ({ group, ...sums(totals.filter((one) => one.group === group)) }));
  return found.sort((one, other) => other.calls - one.calls);
}

/**
 * Return the time within which that share of calls had a first token, in milliseconds.
 *
 * It is told by the counts between bounds, evenly within each; null without calls. Above the last
 * bound nothing is known but that.
 */
export function firstTokenAt(share, counts, bounds) {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (!all) return null;
  let below = 0;
  for (const [at, count] of counts.entries()) {
    if (count && below + count >= share * all) {
      const low = at ? bounds[at - 1] : 0;
      return at < bounds.length ? low + ((share * all - below) / count) * (bounds[at] - low) : low;
    }
    below += count;
  }
  return null;
}
