import type { JobOrder, Refusal, Slot } from '#bus-schemas';

export type Admission =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: Refusal; readonly retryAfterMs?: number };

const BUSY_RETRY_MS = 500;

/**
 * Whether this machine takes a job now. `admitted` counts what the engine's own numbers do not show
 * yet.
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
  if (tokens > slot.contextTokens) return { ok: false, reason: 'request_exceeds_context' };
  if (Math.max(slot.running + slot.waiting, admitted) >= slot.maxConcurrency)
    return { ok: false, reason: 'queue_full', retryAfterMs: BUSY_RETRY_MS };
  if (tokens > slot.freeTokens)
    return { ok: false, reason: 'token_budget_exhausted', retryAfterMs: BUSY_RETRY_MS };
  return { ok: true };
}
