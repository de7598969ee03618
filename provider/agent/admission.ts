import { encodingOf, type JobOrder, type Refusal, type Slot } from '#bus-schemas';

export type Admission =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: Refusal; readonly retryAfterMs?: number };

/** Wait after which a provider that is busy may accept an order, in milliseconds. */
export const BUSY_RETRY_MS = 500;

/**
 * Decides whether this machine accepts a job now. `admitted` is the number of accepted jobs of the
 * build; the numbers of the slot may not include the newest of them yet.
 */
export function admit(
  order: JobOrder,
  slot: Slot | undefined,
  { draining, admitted }: { draining: boolean; admitted: number },
): Admission {
  if (draining) return { ok: false, reason: 'draining' };
  if (slot === undefined || slot.state === 'failed')
    return { ok: false, reason: 'model_not_loaded' };
  const tokens = order.promptTokens + order.maxOutputTokens;
  // Each text of an encoding is read alone, and the engine compares it with the context.
  if (encodingOf(slot.traits) === undefined && tokens > slot.contextTokens)
    return { ok: false, reason: 'request_exceeds_context' };
  if (Math.max(slot.running + slot.waiting, admitted) >= slot.maxConcurrency)
    return { ok: false, reason: 'queue_full', retryAfterMs: BUSY_RETRY_MS };
  if (tokens > slot.freeTokens)
    return { ok: false, reason: 'token_budget_exhausted', retryAfterMs: BUSY_RETRY_MS };
  return { ok: true };
}
