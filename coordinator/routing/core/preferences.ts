import type { Reserve } from '#bus-schemas';
import { expectedMs } from './cost.ts';
import {
  type Choice,
  choose,
  MAX_CANDIDATES,
  type PlacementRequest,
  type ServedBy,
} from './placement.ts';
import { priceMs, type RequestPricing } from './price-book.ts';
import type { Serving } from './serving.ts';

const MUCH_SLOWER = 2;
const ROUND_TRIP_MS = 100;
/**
 * Weight of a price with `sort: price`: a difference of 1 % of the listed price outweighs a delay
 * of 10 s.
 */
const PRICE_FIRST = 5_000;

type RequestWithPreferences = PlacementRequest & Pick<Reserve, 'prefers'>;

/** Chooses by the caller's preferences. A preference never makes a request wait or fail. */
export function choosePreferred(
  servedBy: ServedBy,
  ask: RequestWithPreferences,
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
  const among = (wanted: (serving: Serving) => boolean, wish: PlacementRequest) =>
    choose((build) => servedBy(build).filter(wanted), wish, options);
  // A machine that the caller names may serve even if it is on probation.
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
  const named = order.map(only).filter(({ candidates }) => candidates.length > 0);
  const first = named.flatMap(({ candidates }) => candidates.slice(0, 1));
  const others = choice.candidates.filter(({ provider }) => !order.includes(provider));
  const preferred = {
    ...choice,
    cost: named[0]?.cost ?? choice.cost,
    able: Math.max(choice.able, first.length),
    candidates: [...first, ...others].slice(0, MAX_CANDIDATES),
  };
  return sealedFor === undefined ? preferred : preferSealedMachine(preferred, only(sealedFor));
}

/**
 * Prefers the machine for which the client has already sealed the request, unless it is much slower
 * than the best one: sealing for another machine costs the client one more round trip.
 */
function preferSealedMachine(choice: Choice, sealed: Choice): Choice {
  const [[best], [own]] = [choice.candidates, sealed.candidates];
  if (
    best === undefined ||
    own === undefined ||
    own.expectedFirstContentMs > MUCH_SLOWER * best.expectedFirstContentMs + ROUND_TRIP_MS
  )
    return choice;
  const others = choice.candidates.filter(({ provider }) => provider !== own.provider);
  return { ...choice, cost: sealed.cost, candidates: [own, ...others].slice(0, MAX_CANDIDATES) };
}

/** A small difference in price outweighs any delay; the delay decides between equal prices. */
const cheapestFirst = (pricing: RequestPricing) => ({
  costOf: (serving: Serving, promptTokens: number, now: number) =>
    PRICE_FIRST * priceMs(serving.id, pricing) + expectedMs(serving, promptTokens, now),
  nearShare: 0,
});

/** The time between two tokens of an additional answer, in milliseconds. */
const tokenMs = ({ tokenMs: alone, load, maxConcurrency }: Serving): number =>
  alone * (1 + load / Math.max(1, maxConcurrency));
