import type { Arrival } from '#bus-schemas';
import { SeededRandom } from '#provider/engine/sampling/random.ts';

export interface Demand {
  readonly hours: number;
  /** Average number of requests per second over the whole day. */
  readonly perSecond: number;
  /**
   * How far the rate rises and falls within a day, as a share of the average rate: 0.6 means 40 %
   * of it at midnight and 160 % at noon, and 0 means the same rate at every hour.
   */
  readonly swing: number;
  readonly accounts: number;
  readonly model: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PROMPT = { median: 400, spread: 1.1, most: 16_000 };
const OUTPUT = { median: 150, spread: 0.9, most: 2_048 };
const MAX_TOKENS = 2_048;

/**
 * Generates requests as people send them: more by day than by night, more from some accounts than
 * from others, most of them short and a few very long.
 */
export function* madeUpArrivals(
  { hours, perSecond, swing, accounts, model }: Demand,
  random: SeededRandom,
): Generator<Arrival> {
  const most = perSecond * (1 + swing);
  const end = hours * HOUR_MS;
  for (let at = 0; ; ) {
    at += (-Math.log(1 - random.next()) * 1_000) / most;
    if (at >= end) return;
    const rate = perSecond * (1 - swing * Math.cos((2 * Math.PI * at) / DAY_MS));
    const isKept = random.next() * most < rate;
    // These numbers are drawn for dropped requests too, so that another rate changes nothing else.
    const account = Math.floor(accounts * random.next() ** 2);
    const [promptTokens, outputTokens] = [lengthOf(PROMPT, random), lengthOf(OUTPUT, random)];
    if (isKept)
      yield {
        at,
        account: `acct_${String(account).padStart(4, '0')}`,
        model,
        promptTokens,
        outputTokens,
        maxTokens: MAX_TOKENS,
      };
  }
}

function lengthOf({ median, spread, most }: typeof PROMPT, random: SeededRandom): number {
  const normal =
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return Math.max(1, Math.min(most, Math.round(median * Math.exp(spread * normal))));
}

const SAMPLES = 20_000;

/**
 * Average lengths of a request in tokens. They are measured on samples, because a formula would
 * have to account for the maximum lengths.
 */
export const meanRequest = (() => {
  const random = new SeededRandom(0);
  const mean = (of: typeof PROMPT) =>
    Array.from({ length: SAMPLES }, () => lengthOf(of, random)).reduce(
      (sum, length) => sum + length,
      0,
    ) / SAMPLES;
  return { promptTokens: mean(PROMPT), outputTokens: mean(OUTPUT) };
})();
