import type { Trait } from '#bus-schemas';
import { expectedMs, failedGate, type GateName, type PlacementRequest } from './placement.ts';
import type { Serving } from './serving.ts';

/**
 * For each gate: its meaning for the owner of a machine, and whether the owner or time can change
 * it.
 */
const REASONS: Readonly<Record<GateName, string>> = {
  not_wanted: 'The request names other machines only.',
  excluded: 'It has already failed this request.',
  silent: 'No message from it arrived lately. Check that it is awake and connected.',
  flooding:
    'It sends far more messages about itself than the router reads. It gets requests again when it has sent fewer for a minute. Check its log and its version.',
  draining: 'It was drained: it finishes its requests and takes no new ones.',
  paused:
    'An operator has drained it, or has suspended the account of its owner. It finishes its requests and takes no new ones.',
  suite: 'It uses a sealing suite that the coordinator does not support. Update it.',
  slot_failed: 'It could not load the model. Its log has the reason.',
  traits:
    'It does not offer an ability of this model that the request needs (tools, vision, reasoning). Update it.',
  weights: 'Its model files are not the ones that the catalog lists. Download the model again.',
  level: 'Its trust level is lower than the request requires (provider.trust_level).',
  minimum_trust:
    'Its trust level is lower than this network requires for paid requests (DINF_MIN_TRUST). Its owner can use it.',
  price:
    'Its price is higher than the listed one. It gets requests only from callers who accept its price (provider.max_price).',
  context: 'The request is longer than the context length that it offers.',
  probation:
    "It is new: it gets 1 of 20 requests until it passes the operator's canaries. Its owner can use it without limit.",
  slow: 'Its answer to this request would begin too late even if it had no other request.',
  breaker:
    'It failed several requests in a short time. After a pause it is tried automatically, with one request first.',
  cooling:
    'It refused a request although it had reported free capacity. It gets requests again after a short pause.',
  busy: 'It has as many requests as it can serve at once.',
  unordered:
    'The account holds its share of the slots of this model for sealed sessions that it has not ordered yet. A slot becomes free when it orders, or when a session ends.',
  tokens: 'It has too little memory left for a request of this length.',
};
const OPEN_REASON = 'It would serve this request.';

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
  ask: PlacementRequest,
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
      because: gate === undefined ? OPEN_REASON : REASONS[gate],
    });
    tally[gate ?? 'open'] = (tally[gate ?? 'open'] ?? 0) + 1;
  }
  return { slots, tally };
}
