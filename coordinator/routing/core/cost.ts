import type { CostTerm } from '#bus-schemas';
import type { PlacementRequest } from './placement.ts';
import { priceMs } from './price-book.ts';
import type { Serving } from './serving.ts';

/** Computes the cost by which machines are compared, in milliseconds. */

type Delay = 'load' | 'queue' | 'prompts' | 'prefill' | 'decode';

/**
 * Parts of the expected delay to the first content, in milliseconds. `prompts` is the time to read
 * the prompts of jobs placed before this one. The other terms are not delays, but penalties: for the
 * machine's price (`priceMs`), and for what it reports about its computer (`strainOf`).
 */
export type Cost = Readonly<Record<Delay, number>> &
  Readonly<Partial<Record<Exclude<CostTerm, Delay>, number>>>;

const OVERLOAD_PENALTY = 1;

/** The cost of the request on the slot, by its parts. */
export const costFor = (serving: Serving, ask: PlacementRequest, now: number): Cost => {
  const delay = delayAt(serving, unreadTokens(serving, ask), now);
  return { ...delay, ...priced(serving, ask), ...strained(serving, workMs(delay)) };
};

/** The sum of all penalties, in milliseconds. */
export function penaltiesMs(serving: Serving, ask: PlacementRequest, now: number): number {
  const price = ask.pricing === undefined ? 0 : priceMs(serving.id, ask.pricing);
  const { strain } = serving;
  if (strain === undefined) return price;
  return price + strain.total * workMs(delayAt(serving, unreadTokens(serving, ask), now));
}

/** The expected delay to the first content, without penalties. */
export function expectedMs(serving: Serving, promptTokens: number, now: number): number {
  const delay = delayAt(serving, promptTokens, now);
  return delay.load + workMs(delay);
}

/** Tenths of a millisecond: prompts are read in fractions of a millisecond for each token. */
export const rounded = (cost: Cost): Record<string, number> =>
  Object.fromEntries(Object.entries(cost).map(([term, ms]) => [term, Math.round(ms * 10) / 10]));

export function unreadTokens(serving: Serving, { promptTokens, warm }: PlacementRequest): number {
  if (warm !== undefined)
    for (const { provider, tokens } of warm)
      if (provider === serving.id) return Math.max(0, promptTokens - tokens);
  return promptTokens;
}

function delayAt(serving: Serving, promptTokens: number, now: number): Record<Delay, number> {
  const { load, loadMs, tokenMs, promptTokenMs, maxConcurrency } = serving;
  const share = maxConcurrency === 0 ? 1 : load / maxConcurrency;
  return {
    load: loadMs,
    queue: load * tokenMs,
    prompts: serving.promptsMs(now),
    prefill: promptTokens * promptTokenMs,
    decode: tokenMs * (1 + OVERLOAD_PENALTY * share),
  };
}

const workMs = ({ queue, prompts, prefill, decode }: Record<Delay, number>): number =>
  queue + prompts + prefill + decode;

const priced = ({ id }: Serving, { pricing }: PlacementRequest): Pick<Cost, 'price'> =>
  pricing === undefined ? {} : { price: priceMs(id, pricing) };

/** Only the terms in which the machine has a disadvantage. */
function strained(
  { strain }: Serving,
  work: number,
): Pick<Cost, 'memory' | 'cpu' | 'heat' | 'power'> {
  if (strain === undefined) return {};
  const { memory, cpu, heat, power } = strain;
  return {
    ...(memory > 0 && { memory: memory * work }),
    ...(cpu > 0 && { cpu: cpu * work }),
    ...(heat > 0 && { heat: heat * work }),
    ...(power > 0 && { power: power * work }),
  };
}
