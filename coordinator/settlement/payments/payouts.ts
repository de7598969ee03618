import type Stripe from 'stripe';
import {
  type MessageOf,
  type OpenPayouts,
  type Payout,
  randomToken,
  type services,
} from '#bus-schemas';
import type { Alerts } from '../alerts.ts';
import { digestOf } from '../core/digest.ts';
import {
  CENT,
  type PayoutEvent,
  type PayoutRecord,
  payoutTerms,
  stepPayout,
} from '../core/payout.ts';
import {
  type Entry,
  InsufficientFundsError,
  type LedgerStore,
  type PostingKind,
} from '../ledger/ledger-store.ts';
import type { EventOutcome } from './deposits.ts';
import type { PaymentStore } from './payment-store.ts';
import type { PayoutRow } from './payout-store.ts';
import { failureOf } from './stripe-client.ts';

type Methods = typeof services.settlement;
type Withdrawn = MessageOf<Methods['withdraw']['reply']>;

const BATCH = 200;
/** Open withdrawals that operators are shown. */
const MAX_WAITING = 200;
/** A withdrawal that is still open after this time, in milliseconds, raises an alert. */
const STUCK_MS = 48 * 3_600_000;

export interface PayoutsOptions {
  readonly stripe: Stripe;
  readonly store: PaymentStore;
  readonly ledger: LedgerStore;
  readonly alerts: Pick<Alerts, 'raise'>;
  readonly now: () => number;
}

/**
 * Pays earned money out. Invariant: the account is debited before the request to Stripe. It gets
 * the money back only if Stripe reports that it did nothing, or that it has taken the money back.
 * Otherwise a lost answer would pay the same money twice.
 */
export class Payouts {
  readonly #options: PayoutsOptions;

  constructor(options: PayoutsOptions) {
    this.#options = options;
  }

  async withdraw({
    account,
    amountMicroUsd,
    instant,
    operation,
  }: MessageOf<Methods['withdraw']['request']>): Promise<Withdrawn> {
    const { store, ledger } = this.#options;
    const terms = payoutTerms(amountMicroUsd, instant);
    if (terms === undefined) return { ok: false, code: 'too_small' };
    const connected = await store.payouts.connectedAccount(account);
    if (!connected?.payouts) return { ok: false, code: 'not_onboarded' };
    const fresh = {
      ...NEW_PAYOUT,
      ...terms,
      id: `wd_${randomToken(20)}`,
      account,
      operation,
      instant,
      stripeAccount: connected.stripeAccount,
    };
    try {
      const { payout, isNew } = await store.transaction(async (client) => {
        const isNew = await store.payouts.add(client, fresh);
        if (isNew && (await ledger.lockWithdrawable(account, client)) < fresh.amount)
          throw new InsufficientFundsError(fresh.id);
        if (isNew) await ledger.post(postingOf(fresh, 'withdrawal', -1), client);
        return {
          isNew,
          payout: (await store.payouts.byOperation(client, account, operation)) as PayoutRow,
        };
      });
      if (payout.amount !== terms.amount || payout.instant !== instant)
        return { ok: false, code: 'operation_conflict' };
      return { ok: true, payout: asMessage(isNew ? await this.#advance(payout) : payout) };
    } catch (error) {
      if (error instanceof InsufficientFundsError) return { ok: false, code: 'insufficient_funds' };
      throw error;
    }
  }

  async list(account: string): Promise<Payout[]> {
    return (await this.#options.store.payouts.list(account)).map(asMessage);
  }

  /** Withdrawals of all accounts that are neither paid nor failed, the oldest first. */
  async waiting(): Promise<OpenPayouts> {
    const rows = await this.#options.store.payouts.waiting(MAX_WAITING);
    return { payouts: rows.map((row) => ({ ...asMessage(row), account: row.account })) };
  }

  /**
   * Applies an event of Stripe to a withdrawal. The result is `later` if the withdrawal is not
   * stored yet.
   */
  async apply(id: string | undefined, event: PayoutEvent): Promise<EventOutcome> {
    if (id === undefined) return 'ignored';
    const { before, after } = await this.#step(id, event);
    if (before === undefined) return 'later';
    return before === after ? 'known' : 'applied';
  }

  /**
   * Completes withdrawals whose answer was lost. Before a transfer is requested again, Stripe is
   * asked whether it exists.
   */
  async reconcile(olderThanMs: number): Promise<void> {
    const { stripe, store, alerts, now } = this.#options;
    for (const payout of await store.payouts.open(olderThanMs, BATCH)) {
      if (now() - payout.createdAt.getTime() > STUCK_MS) alerts.raise('payout_stuck', payout.id);
      const { data } =
        payout.state === 'pending'
          ? await stripe.transfers.list({ transfer_group: payout.id, limit: 1 })
          : { data: [] };
      const [transfer] = data;
      await this.#advance(
        transfer === undefined
          ? payout
          : await this.#stepTo(payout, { type: 'transferred', transfer: transfer.id }),
      );
    }
  }

  async #advance<P extends PayoutRecord>(payout: P): Promise<P> {
    const transferred = payout.state === 'pending' ? await this.#transfer(payout) : payout;
    return transferred.state === 'transferred' && transferred.instant && !transferred.feeReturned
      ? this.#payOut(transferred)
      : transferred;
  }

  async #transfer<P extends PayoutRecord>(payout: P): Promise<P> {
    const { id, amount, fee, stripeAccount, generation } = payout;
    return this.#request(payout, 'transfer_rejected', async () => {
      const { id: transfer } = await this.#options.stripe.transfers.create(
        {
          amount: (amount - fee) / CENT,
          currency: 'usd',
          destination: stripeAccount,
          transfer_group: id,
          metadata: { payout: id },
        },
        { idempotencyKey: `wd-tr-${id}-${generation}` },
      );
      return { type: 'transferred', transfer };
    });
  }

  async #payOut<P extends PayoutRecord>(payout: P): Promise<P> {
    const { id, amount, fee, stripeAccount, stripePayout, generation } = payout;
    const { stripe } = this.#options;
    return this.#request(payout, 'payout_rejected', async () => {
      if (stripePayout !== null) {
        const { status } = await stripe.payouts.retrieve(stripePayout, {}, { stripeAccount });
        return status === 'paid'
          ? { type: 'payout_paid' }
          : status === 'failed' || status === 'canceled'
            ? { type: 'payout_failed' }
            : undefined;
      }
      const made = await stripe.payouts.create(
        {
          amount: (amount - fee) / CENT,
          currency: 'usd',
          method: 'instant',
          metadata: { payout: id },
        },
        { stripeAccount, idempotencyKey: `wd-po-${id}-${generation}` },
      );
      return { type: 'payout_made', stripePayout: made.id };
    });
  }

  /** A lost answer changes nothing: the reconciliation sends the request again. */
  async #request<P extends PayoutRecord>(
    payout: P,
    rejection: 'transfer_rejected' | 'payout_rejected',
    request: () => Promise<PayoutEvent | undefined>,
  ): Promise<P> {
    let event: PayoutEvent | undefined;
    try {
      event = await request();
    } catch (error) {
      const failure = failureOf(error);
      if (failure === 'unknown') return payout;
      event = { type: failure === 'rejected' ? rejection : 'request_burnt' };
    }
    return event === undefined ? payout : this.#stepTo(payout, event);
  }

  async #stepTo<P extends PayoutRecord>(payout: P, event: PayoutEvent): Promise<P> {
    const { after } = await this.#step(payout.id, event);
    return { ...payout, ...after };
  }

  /** Changes the state of the withdrawal and the ledger in one transaction. */
  async #step(
    id: string,
    event: PayoutEvent,
  ): Promise<{ before: PayoutRecord | undefined; after: PayoutRecord | undefined }> {
    const { store, ledger } = this.#options;
    return store.transaction(async (client) => {
      const before = await store.payouts.lock(client, id);
      if (before === undefined) return { before, after: undefined };
      const { payout: after, back } = stepPayout(before, event);
      if (after === before) return { before, after };
      if (back === 'everything')
        await ledger.post(postingOf(before, 'withdrawal_returned', 1), client);
      if (back === 'fee') await ledger.post(feeBack(before), client);
      await store.payouts.save(client, after);
      return { before, after };
    });
  }
}

const NEW_PAYOUT = {
  returned: false,
  feeReturned: false,
  transfer: null,
  stripePayout: null,
  generation: 1,
} as const;

/**
 * `sign` -1 debits the account, +1 credits it again. A fee that has already been returned is left
 * out.
 */
function postingOf(
  payout: Pick<PayoutRecord, 'id' | 'account' | 'amount' | 'fee' | 'feeReturned'>,
  kind: PostingKind,
  sign: 1 | -1,
) {
  const { id, account, amount } = payout;
  const fee = payout.feeReturned ? 0 : payout.fee;
  const gross = amount - payout.fee + fee;
  const entries: readonly Entry[] = [
    {
      account: `consumer:${account}`,
      kind: 'consumer',
      amount: sign * gross,
      earned: sign * gross,
    },
    { account: 'external:stripe', kind: 'external', amount: -sign * (gross - fee) },
    ...(fee > 0
      ? [{ account: 'platform:fees', kind: 'platform', amount: -sign * fee } as const]
      : []),
  ];
  return { operation: `${kind}:${id}`, kind, digest: digestOf([account, gross, fee]), entries };
}

function feeBack({ id, account, fee }: PayoutRecord) {
  const entries: readonly Entry[] = [
    { account: `consumer:${account}`, kind: 'consumer', amount: fee, earned: fee },
    { account: 'platform:fees', kind: 'platform', amount: -fee },
  ];
  return {
    operation: `withdrawal_fee_returned:${id}`,
    kind: 'withdrawal_fee_returned' as const,
    digest: digestOf([account, fee]),
    entries,
  };
}

function asMessage({ id, amount, fee, instant, state, returned, createdAt }: PayoutRow): Payout {
  return {
    payout: id,
    amountMicroUsd: amount,
    feeMicroUsd: fee,
    instant,
    state,
    returned,
    at: createdAt.getTime(),
  };
}
