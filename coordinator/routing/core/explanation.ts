import type { Trait } from '#bus-schemas';
import { type Ask, expectedMs, failedGate, type GateName } from './placement.ts';
import type { Serving } from './serving.ts';

/**
 * For each gate: its meaning for the owner of a machine, and whether the owner or time can change
 * it.
 */
const BECAUSE: Readonly<Record<GateName, string>> = {
  not_wanted: 'The request names other providers.',
  excluded: 'It has failed this very request already.',
  silent: 'It was not heard of lately. Is it awake, and is its connection up?',
  flooding:
    'It sends far more messages about itself than are read. It is asked again when it has been quiet for a minute; its log and its version may tell why.',
  draining: 'It was told to take nothing new; it finishes what runs.',
  suite: 'It seals with a suite that the coordinator does not use. Update it.',
  slot_failed: 'The model could not be loaded there. Its own log says why.',
  traits:
    'It does not offer what the request needs of this model (tools, vision, reasoning). Update it.',
  weights:
    'The files of the model there are not the ones that the catalog names. Fetch the model anew.',
  level: 'It has not shown as much of itself as the request asks for (provider.trust_level).',
  price:
    'It asks for more than the catalog lists. It gets requests only from callers who accept its price (provider.max_price).',
  context: 'The request is longer than the context that it offers.',
  probation:
    "It is new: it gets 1 of 20 requests until its answers to the operator's canaries are right. Its owner can use it without limit.",
  slow: 'Alone with this request it would still begin its answer too late.',
  breaker:
    'It failed several requests in a short time. It is tried again by itself, one request first.',
  cooling:
    'It refused a request although it said that it had room. It is asked again after a moment.',
  busy: 'It has as many requests as it takes at once.',
  unordered:
    'The account holds its share of the places of this model for sealed sessions that it has not ordered yet. One is free when it orders, or when a session ends.',
  tokens: 'It has no memory left for a request of this length.',
};
const SERVES = 'It would serve.';

export interface SlotExplanation {
  readonly provider: string;
  readonly build: string;
  readonly chip: string;
  readonly gate?: GateName;
  readonly because: string;
  readonly load: number;
  readonly maxConcurrency: number;
  readonly expectedFirstContentMs: number;
  readonly contextTokens: number;
  readonly traits?: Trait[];
}

/**
 * Explains for each slot whether it would serve such a job, and the reason if not. It uses the same
 * gates as decisions do.
 */
export function explain(
  servings: Iterable<Serving>,
  ask: Ask,
  now: number,
): { slots: SlotExplanation[]; tally: Record<string, number> } {
  const slots: SlotExplanation[] = [];
  const tally: Record<string, number> = {};
  for (const serving of servings) {
    const gate = failedGate(serving, ask, now);
    const { id, slot, provider, load, maxConcurrency } = serving;
    slots.push({
      provider: id,
      build: slot.build,
      chip: provider.machine.chip,
      load,
      maxConcurrency,
      expectedFirstContentMs: expectedMs(serving, ask.promptTokens, now),
      contextTokens: serving.contextTokens,
      ...(slot.traits && { traits: slot.traits }),
      ...(gate !== undefined && { gate }),
      because: gate === undefined ? SERVES : BECAUSE[gate],
    });
    tally[gate ?? 'open'] = (tally[gate ?? 'open'] ?? 0) + 1;
  }
  return { slots, tally };
}
