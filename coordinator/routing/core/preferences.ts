import type { Reserve } from '#bus-schemas';
import {
  type Ask,
  type Choice,
  choose,
  expectedMs,
  MAX_CANDIDATES,
  type ServedBy,
} from './placement.ts';
import { type Pricing, priceMs } from './price-book.ts';
import type { Serving } from './serving.ts';

const MUCH_SLOWER = 2;
const WAY_BACK_MS = 100;
/**
 * With `sort: price`: a difference of a hundredth of the listed price outweighs a delay of ten
 * seconds.
 */
const PRICE_FIRST = 5_000;

type Wish = Ask & Pick<Reserve, 'prefers'>;

/**
 * The choice that comes nearest to what the caller would rather have. Nobody waits, and nobody goes
 * without, for a preference.
 */
export function choosePreferred(
  servedBy: ServedBy,
  ask: Wish,
  now: number,
  random: () => number,
): Choice {
  const { prefers } = ask;
  if (prefers === undefined) return choose(servedBy, ask, { now, random });
  const { order = [], sort, minTokensPerSecond, maxFirstContentMs, sealedFor } = prefers;
  const { pricing } = ask;
  const options = {
    now,
    random,
    ...(sort === 'throughput' && { costOf: tokenMs }),
    ...(sort === 'price' && pricing !== undefined && cheapestFirst(pricing)),
  };
  const among = (wanted: (serving: Serving) => boolean, wish: Ask) =>
    choose((build) => servedBy(build).filter(wanted), wish, options);
  // A caller that names a machine may have it, on probation or not.
  const only = (id: string) => among((serving) => serving.id === id, { ...ask, newcomers: true });
  const isLimited = minTokensPerSecond !== undefined || maxFirstContentMs !== undefined;
  const liked = isLimited
    ? among(
        (serving) =>
          1_000 / tokenMs(serving) >= (minTokensPerSecond ?? 0) &&
          expectedMs(serving, ask.promptTokens, now) <=
            (maxFirstContentMs ?? Number.POSITIVE_INFINITY),
        ask,
      )
    : undefined;
  const choice =
    liked !== undefined && liked.candidates.length > 0 ? liked : choose(servedBy, ask, options);
  const first = order.flatMap((id) => only(id).candidates.slice(0, 1));
  const others = choice.candidates.filter(({ provider }) => !order.includes(provider));
  const preferred = { ...choice, candidates: [...first, ...others].slice(0, MAX_CANDIDATES) };
  return sealedFor === undefined ? preferred : sparingTheWayBack(preferred, only(sealedFor));
}

/**
 * Sealing for another machine costs the client a way back and forth: worth it only where this one
 * is much slower.
 */
function sparingTheWayBack(choice: Choice, sealed: Choice): Choice {
  const [[best], [own]] = [choice.candidates, sealed.candidates];
  if (
    best === undefined ||
    own === undefined ||
    own.expectedFirstContentMs > MUCH_SLOWER * best.expectedFirstContentMs + WAY_BACK_MS
  )
    return choice;
  const others = choice.candidates.filter(({ provider }) => provider !== own.provider);
  return { ...choice, cost: sealed.cost, candidates: [own, ...others].slice(0, MAX_CANDIDATES) };
}

/**
 * A small difference of price outweighs every delay; machines of one price are told apart by their
 * delay.
 */
const cheapestFirst = (pricing: Pricing) => ({
  costOf: (serving: Serving, promptTokens: number, now: number) =>
    PRICE_FIRST * priceMs(serving.id, pricing) + expectedMs(serving, promptTokens, now),
  nearShare: 0,
});

/** Between two tokens of one more answer. */
const tokenMs = ({ tokenMs: alone, load, maxConcurrency }: Serving): number =>
  alone * (1 + load / Math.max(1, maxConcurrency));
