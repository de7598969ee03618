import { type ChoiceReason, type GateName, gates, type Slot, type Trait } from '#bus-schemas';
import { costFor, expectedMs, rounded } from './cost.ts';
import { type Choice, failedGate, type PlacementRequest } from './placement.ts';
import { memoryMbOf, type Serving } from './serving.ts';

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
  /** Terms of its cost in milliseconds; absent if a gate is closed. */
  readonly terms?: Record<string, number>;
  readonly contextTokens: number;
  readonly traits?: Trait[];
  readonly memoryMb?: number;
  readonly machineMemoryMb: number;
  readonly state: Slot['state'];
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
      contextTokens: serving.slot.contextTokens,
      machineMemoryMb: memoryMbOf(provider.machine.memoryGb),
      state: slot.state,
      ...(slot.memoryMb !== undefined && { memoryMb: slot.memoryMb }),
      ...(slot.traits && { traits: slot.traits }),
      ...(gate === undefined ? { terms: rounded(costFor(serving, ask, now)) } : { gate }),
      because: gate === undefined ? OPEN_REASON : gates[gate].text,
    });
    tally[gate ?? 'open'] = (tally[gate ?? 'open'] ?? 0) + 1;
  }
  return { slots, tally };
}

/** Why the first candidate of the choice was chosen, for the record of its job. */
export const reasonOf = ({ able, rejected, cost }: Choice): ChoiceReason => ({
  able,
  rejected,
  ...(cost && {
    terms: Object.fromEntries(Object.entries(rounded(cost)).filter(([, ms]) => ms > 0)),
  }),
});
