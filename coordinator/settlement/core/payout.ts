import type { PayoutState } from '#bus-schemas';

/**
 * The states of a withdrawal. `stepPayout` is a function of (payout, event).
 *
 *   pending → transferred → paid
 *      ↘ failed ↙ (rejected, or reversed later: the money returns to the account)
 *
 * Invariants: the withdrawn money is either on its way or back on the account, never both; the
 * principal returns at most once, and so does the fee; a lost answer of Stripe changes nothing.
 */
export interface PayoutRecord {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  readonly fee: number;
  readonly instant: boolean;
  readonly state: PayoutState;
  readonly returned: boolean;
  readonly feeReturned: boolean;
  readonly stripeAccount: string;
  readonly transfer: string | null;
  readonly stripePayout: string | null;
  readonly generation: number;
}

export type PayoutEvent =
  | { readonly type: 'transferred'; readonly transfer: string }
  | { readonly type: 'transfer_rejected' }
  | { readonly type: 'transfer_reversed' }
  | { readonly type: 'payout_made'; readonly stripePayout: string }
  | { readonly type: 'payout_rejected' }
  | { readonly type: 'payout_paid' }
  | { readonly type: 'payout_failed' }
  /**
   * Stripe repeats its first failure for this idempotency key and has created nothing. The next
   * request uses a new key, which the generation is a part of.
   */
  | { readonly type: 'request_burnt' };

export interface PayoutStep {
  readonly payout: PayoutRecord;
  /**
   * The money that returns to the account: nothing, everything that has not returned yet, or only
   * the fee.
   */
  readonly back: 'nothing' | 'everything' | 'fee';
}

export function stepPayout(payout: PayoutRecord, event: PayoutEvent): PayoutStep {
  const stay: PayoutStep = { payout, back: 'nothing' };
  if (payout.returned) return stay;
  switch (event.type) {
    case 'transferred':
      return payout.state === 'pending'
        ? { payout: { ...payout, state: 'transferred', transfer: event.transfer }, back: 'nothing' }
        : stay;
    case 'transfer_rejected':
      return payout.state === 'pending' ? failed(payout) : stay;
    case 'transfer_reversed':
      return failed(payout);
    case 'payout_made':
      return { payout: { ...payout, stripePayout: event.stripePayout }, back: 'nothing' };
    case 'payout_rejected':
    case 'payout_failed':
      // The transfer remains valid. Stripe pays it out with the next standard payout, which has no
      // fee, so the fee for the instant payout returns.
      return payout.feeReturned || !payout.instant
        ? stay
        : {
            payout: { ...payout, state: 'transferred', feeReturned: true },
            back: payout.fee > 0 ? 'fee' : 'nothing',
          };
    case 'payout_paid':
      // A failure takes precedence over this event, whichever of the two arrives first.
      return payout.feeReturned ? stay : { payout: { ...payout, state: 'paid' }, back: 'nothing' };
    case 'request_burnt':
      return { payout: { ...payout, generation: payout.generation + 1 }, back: 'nothing' };
  }
}

function failed(payout: PayoutRecord): PayoutStep {
  return { payout: { ...payout, state: 'failed', returned: true }, back: 'everything' };
}

export const CENT = 10_000;
const MINIMUM_CENTS = 100;
const INSTANT_BPS = 150;
const INSTANT_LEAST_CENTS = 50;

/**
 * Rounds the amount down to whole cents; the fraction of a cent stays on the account. Returns
 * undefined when the amount is below the minimum for a withdrawal.
 */
export function payoutTerms(
  amountMicroUsd: number,
  instant: boolean,
): { amount: number; fee: number } | undefined {
  const cents = Math.floor(amountMicroUsd / CENT);
  if (cents < MINIMUM_CENTS) return undefined;
  const fee = instant
    ? Math.max(Math.ceil((cents * INSTANT_BPS) / 10_000), INSTANT_LEAST_CENTS)
    : 0;
  return { amount: cents * CENT, fee: fee * CENT };
}
