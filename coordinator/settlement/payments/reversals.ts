import type { ClientBase } from 'pg';
import type Stripe from 'stripe';
import { digestOf } from '../core/digest.ts';
import { CENT } from '../core/payout.ts';
import { payDebt, type ReversalStep, reverseTo } from '../core/reversal.ts';
import type { Entry, LedgerStore, PostingKind } from '../ledger/ledger-store.ts';
import type { Deposits, EventOutcome } from './deposits.ts';
import type { PaymentStore } from './payment-store.ts';
import type { DisputeRow, ReversalRow } from './reversal-store.ts';
import { failureOf } from './stripe-client.ts';

export interface ReversalsOptions {
  readonly stripe: Stripe;
  readonly store: PaymentStore;
  readonly ledger: LedgerStore;
  readonly deposits: Deposits;
}

const BATCH = 200;

/**
 * Payments that Stripe takes back from the platform: refunds and disputes (decision 0041).
 *
 * A transaction locks the deposit, stores what Stripe reports, locks the account and moves the
 * money. An event that is delivered twice or late changes no row and therefore moves nothing.
 */
export class Reversals {
  readonly #options: ReversalsOptions;

  constructor(options: ReversalsOptions) {
    this.#options = options;
  }

  /** Each event of a dispute has its whole state. */
  dispute({ id, amount, payment_intent, status }: Stripe.Dispute): Promise<EventOutcome> {
    return this.#apply(payment_intent, amount, (client, deposit) =>
      this.#options.store.reversals.saveDispute(client, {
        id,
        ...deposit,
        amount: amount * CENT,
        status: statusOf(status),
        isInquiry: status.startsWith('warning_'),
      }),
    );
  }

  /** The event of a refund has the sum of all refunds of the payment. */
  refund({ amount_refunded, payment_intent }: Stripe.Charge): Promise<EventOutcome> {
    return this.#apply(payment_intent, amount_refunded, (client, { deposit }) =>
      this.#options.store.reversals.saveRefund(client, deposit, amount_refunded * CENT),
    );
  }

  /** Takes what an account owes from the money that it has by now. */
  async collect(account: string): Promise<void> {
    const { store, ledger } = this.#options;
    for (const deposit of await store.reversals.owedDeposits(account)) {
      await store.transaction(async (client) => {
        const row = await store.reversals.lock(client, deposit);
        if (row === undefined) return;
        const step = payDebt(row, await ledger.lockFree(account, client));
        if (step !== undefined) await this.#post(client, { deposit, row, step, kind: 'debt_paid' });
      });
    }
  }

  /** Collects from accounts that owe and have got money since then. */
  async reconcile(): Promise<void> {
    for (const account of await this.#options.store.reversals.accountsThatCanPay(BATCH))
      await this.collect(account);
  }

  async #apply(
    intent: string | Stripe.PaymentIntent | null,
    cents: number,
    save: (client: ClientBase, deposit: { deposit: string; account: string }) => Promise<boolean>,
  ): Promise<EventOutcome> {
    const { stripe, store, deposits } = this.#options;
    if (intent === null || cents < 1) return 'ignored';
    let session: Stripe.Checkout.Session | undefined;
    try {
      const payment_intent = typeof intent === 'string' ? intent : intent.id;
      ({
        data: [session],
      } = await stripe.checkout.sessions.list({ payment_intent, limit: 1 }));
    } catch (error) {
      failureOf(error);
      return 'later';
    }
    const id = session?.metadata?.['deposit'];
    if (session === undefined || id === undefined) return 'ignored';
    // The event may arrive before the event of its own deposit.
    await deposits.apply(session);
    return store.transaction(async (client) => {
      const deposit = await store.deposits.lock(client, id);
      if (deposit === undefined) return 'later';
      if (deposit.status !== 'paid' || deposit.session !== session.id) return 'ignored';
      if (!(await save(client, { deposit: id, account: deposit.account }))) return 'known';
      await this.#reverse(client, id);
      return 'applied';
    });
  }

  async #reverse(client: ClientBase, deposit: string): Promise<void> {
    const { store, ledger } = this.#options;
    const row = await store.reversals.lock(client, deposit);
    if (row === undefined) return;
    // A withdrawal locks the account as well. Without the lock it could read the balance before
    // this reversal and debit it after.
    const step = reverseTo(row.takenBack, row, await ledger.lockFree(row.account, client));
    if (step === undefined) return;
    const kind = row.takenBack > row.reversed ? 'payment_reversed' : 'payment_restored';
    await this.#post(client, { deposit, row, step, kind });
  }

  async #post(
    client: ClientBase,
    {
      deposit,
      row: { account, owed, reversals },
      step,
      kind,
    }: { deposit: string; row: ReversalRow; step: ReversalStep; kind: PostingKind },
  ): Promise<void> {
    const { store, ledger } = this.#options;
    const number = reversals + 1;
    const entries: Entry[] = [
      {
        account: `consumer:${account}`,
        kind: 'consumer',
        amount: step.account,
        earned: step.earned,
      },
      { account: 'external:stripe', kind: 'external', amount: step.stripe },
      { account: 'external:debts', kind: 'external', amount: step.debts },
    ];
    await ledger.post(
      {
        operation: `reversal:${deposit}:${number}`,
        kind,
        digest: digestOf([deposit, number, step.account, step.stripe]),
        entries: entries.filter(({ amount }) => amount !== 0),
      },
      client,
    );
    await ledger.addOwed(account, step.next.owed - owed, client);
    await store.reversals.save(client, deposit, { ...step.next, reversals: number });
  }
}

/** An inquiry that a bank closed without a dispute is treated as won. */
function statusOf(status: Stripe.Dispute.Status): DisputeRow['status'] {
  if (status === 'lost') return 'lost';
  return status === 'won' || status === 'warning_closed' ? 'won' : 'open';
}
