import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { Dispute, FaultKind } from '#testcontainers';
import { digestOf } from '../core/digest.ts';
import {
  Crash,
  type CrashPoint,
  crashesInTurn,
  crashingPool,
} from '../jobs/crashing-pool-under-test.ts';
import { InsufficientFundsError } from '../ledger/ledger-store.ts';
import type { Payments } from './payments.ts';
import {
  earn,
  newAccount,
  onboard,
  type PaymentsUnderTest,
  RETURN_URLS,
  startPaymentsUnderTest,
} from './payments-under-test.ts';

const RUNS = setting('DINF_PROPERTY_RUNS') ?? 100;
const DOLLAR = 1_000_000;
const EARNED = 20 * DOLLAR;

let under: PaymentsUnderTest;
beforeAll(async () => {
  under = await startPaymentsUnderTest();
}, 60_000);
afterAll(() => under[Symbol.asyncDispose]());

const aStep = fc.record({
  does: fc.constantFrom(
    'checkout',
    'pay',
    'withdraw',
    'withdraw',
    'reconcile',
    'deliver',
    'deliver',
    'pay out',
    'fail payout',
    'reverse',
    'spend',
    'dispute',
    'end dispute',
    'refund',
  ),
  which: fc.nat({ max: 20 }),
  instant: fc.boolean(),
});
const aScript = fc.record({
  /** The steps of one turn run at the same time; the turns run one after another. */
  turns: fc.array(fc.array(aStep, { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 6 }),
  /** Each crash happens after this many statements. */
  crashes: fc.array(
    fc.record({
      after: fc.nat({ max: 20 }),
      point: fc.constantFrom<CrashPoint>('before', 'after'),
    }),
    { maxLength: 4 },
  ),
  faults: fc.array(
    fc.constantFrom<FaultKind>('lost_answer', 'lost_request', 'error_500', 'error_429', 'rejected'),
    { maxLength: 4 },
  ),
});
type Script = typeof aScript extends fc.Arbitrary<infer T> ? T : never;

/** Runs one script with one account that buys, earns and withdraws. */
class Life {
  readonly #account = newAccount();
  readonly #script: Script;
  readonly #copies: readonly Payments[];
  readonly #firstEvent = under.stripe.bank.events.length;
  readonly #sessions = new Set<string>();
  readonly #disputes = new Map<string, { dispute: Dispute; status: 'open' | 'won' | 'lost' }>();
  /** Cents that Stripe has taken back or may take back, by session; never more than was paid. */
  readonly #contested = new Map<string, number>();
  #refunded = 0;
  #spent = 0;
  #spends = 0;

  constructor(script: Script) {
    this.#script = script;
    const next = crashesInTurn(script.crashes);
    this.#copies = [1, 2].map(() => under.copy(crashingPool(under.database, next)));
  }

  async run(): Promise<void> {
    await earn(under, this.#account, EARNED);
    await onboard(under, this.#account);
    for (const kind of this.#script.faults)
      under.stripe.fault('POST', /./, kind, kind.startsWith('lost') ? 2 : 1);
    for (const turn of this.#script.turns) {
      await Promise.all(
        turn.map((step, order) =>
          this.#untilDone(() => this.#step(step, this.#copies[order % 2] as Payments)),
        ),
      );
    }
    under.stripe.clearFaults();
    // At the end all events are delivered in any order, and the reconciliation requests those that
    // were lost.
    const last = this.#copies[0] as Payments;
    for (const event of this.#events().toReversed())
      await this.#untilDone(async () => void (await last.webhook(under.stripe.sign(event))));
    // The reconciliation runs several times. A failure that Stripe repeats needs a new request, and
    // the locks of a crashed copy stay until the database notices that its connection is gone.
    await vi.waitFor(
      async () => {
        await this.#untilDone(() => last.reconcile(0));
        expect(await this.#pending()).toBe(0);
      },
      { timeout: 20_000, interval: 5 },
    );
    for (const event of this.#events())
      await this.#untilDone(async () => void (await last.webhook(under.stripe.sign(event))));
    await this.#untilDone(() => last.reconcile(0));
  }

  async #pending(): Promise<number | null> {
    return (
      await under.database.query("SELECT 1 FROM payouts WHERE account = $1 AND state = 'pending'", [
        this.#account,
      ])
    ).rowCount;
  }

  #events() {
    return under.stripe.bank.events.slice(this.#firstEvent);
  }

  /** Repeats a call after a crash or a lost connection. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const isCrash =
          error instanceof Crash || (error instanceof Error && error.cause instanceof Crash);
        if (!isCrash) throw error;
      }
    }
  }

  async #step(
    { does, which, instant }: Script['turns'][number][number],
    payments: Payments,
  ): Promise<void> {
    const account = this.#account;
    const { bank } = under.stripe;
    const amountMicroUsd = (1 + (which % 5)) * DOLLAR;
    switch (does) {
      case 'checkout': {
        const answer = await payments.checkout({
          account,
          amountMicroUsd,
          operation: `buy ${which}`,
          ...RETURN_URLS,
        });
        if (answer.ok) this.#sessions.add(answer.session);
        return;
      }
      case 'pay': {
        const open = [...this.#sessions].filter((id) => bank.sessions.get(id)?.status === 'open');
        if (open.length > 0) bank.pay(open[which % open.length] as string);
        return;
      }
      case 'withdraw':
        return void (await payments.withdraw({
          account,
          amountMicroUsd,
          instant,
          operation: `out ${which} ${instant}`,
        }));
      case 'reconcile':
        return payments.reconcile(0);
      case 'deliver': {
        const events = this.#events();
        const event = events[which % events.length];
        if (event) await payments.webhook(under.stripe.sign(event));
        return;
      }
      case 'pay out':
      case 'fail payout': {
        const mine = await this.#payoutIds();
        const open = [...bank.payouts.values()].filter(
          ({ status, metadata }) => status === 'pending' && mine.has(metadata['payout'] ?? ''),
        );
        const payout = open[which % open.length];
        if (payout) bank.endPayout(payout.id, does === 'pay out' ? 'paid' : 'failed');
        return;
      }
      case 'spend':
        return this.#spend(amountMicroUsd);
      case 'dispute':
      case 'refund': {
        const paid = [...this.#sessions].filter((id) => {
          const session = bank.sessions.get(id);
          return (
            session?.payment_status === 'paid' &&
            session.amount_total - (this.#contested.get(id) ?? 0) >= 100
          );
        });
        const id = paid[which % paid.length];
        if (id === undefined) return;
        const left = (bank.sessions.get(id)?.amount_total ?? 0) - (this.#contested.get(id) ?? 0);
        const cents = instant ? left : 100;
        this.#contested.set(id, (this.#contested.get(id) ?? 0) + cents);
        if (does === 'refund') {
          bank.refund(id, cents);
          this.#refunded += cents;
        } else {
          const { dispute } = bank.dispute(id, cents);
          this.#disputes.set(dispute.id, { dispute, status: 'open' });
        }
        return;
      }
      case 'end dispute': {
        const open = [...this.#disputes.values()].filter(({ status }) => status === 'open');
        const one = open[which % open.length];
        if (one === undefined) return;
        one.status = instant ? 'won' : 'lost';
        bank.closeDispute(one.dispute, one.status);
        return;
      }
      case 'reverse': {
        const mine = await this.#payoutIds();
        const paidOut = new Set(
          [...bank.payouts.values()]
            .filter(({ status }) => status !== 'failed')
            .map(({ metadata }) => metadata['payout']),
        );
        const standing = [...bank.transfers.values()].filter(
          ({ reversed, transfer_group }) =>
            !reversed && mine.has(transfer_group) && !paidOut.has(transfer_group),
        );
        const transfer = standing[which % standing.length];
        if (transfer) bank.reverse(transfer.id);
      }
    }
  }

  /** Takes bought money, as jobs do; refused if the account has less. */
  async #spend(amount: number): Promise<void> {
    this.#spends += 1;
    const operation = `spend:${this.#account}:${this.#spends}`;
    try {
      await under.ledger.post({
        operation,
        kind: 'credit',
        digest: digestOf([operation]),
        entries: [
          { account: `consumer:${this.#account}`, kind: 'consumer', amount: -amount },
          { account: 'platform:fees', kind: 'platform', amount },
        ],
      });
      this.#spent += amount;
    } catch (error) {
      if (!(error instanceof InsufficientFundsError)) throw error;
    }
  }

  async #payoutIds(): Promise<Set<string>> {
    const { rows } = await under.database.query<{ id: string }>(
      'SELECT id FROM payouts WHERE account = $1',
      [this.#account],
    );
    return new Set(rows.map(({ id }) => id));
  }

  async check(): Promise<void> {
    const { bank } = under.stripe;
    type Row = {
      id: string;
      amount: string;
      fee: string;
      state: string;
      returned: boolean;
      feeReturned: boolean;
    };
    const { rows } = await under.database.query<Row>(
      'SELECT id, amount, fee, state, returned, fee_returned AS "feeReturned" FROM payouts WHERE account = $1',
      [this.#account],
    );
    let expected = EARNED;
    for (const { id, amount, fee, state, returned, feeReturned } of rows) {
      const transfers = [...bank.transfers.values()].filter(
        ({ transfer_group }) => transfer_group === id,
      );
      expect(transfers.length).toBeLessThanOrEqual(1);
      expect(state).not.toBe('pending');
      expect(returned).toBe(transfers.length === 0 || transfers[0]?.reversed === true);
      if (transfers[0]) expect(transfers[0].amount * 10_000).toBe(Number(amount) - Number(fee));
      if (!returned) expected -= Number(amount) - (feeReturned ? Number(fee) : 0);
    }
    const bought = [...this.#sessions].reduce(
      (sum, id) =>
        sum +
        (bank.sessions.get(id)?.payment_status === 'paid'
          ? (bank.sessions.get(id)?.amount_total ?? 0) * 10_000
          : 0),
      0,
    );
    const disputes = [...this.#disputes.values()];
    const disputed = disputes.reduce(
      (sum, { dispute, status }) => sum + (status === 'won' ? 0 : dispute.amount),
      0,
    );
    const net = expected + bought - this.#spent - (disputed + this.#refunded) * 10_000;
    const balance = await under.ledger.balance(this.#account);
    expect(balance).toMatchObject({
      available: Math.max(0, net),
      owed: Math.max(0, -net),
      held: 0,
      promotional: 0,
      maturing: [],
    });
    const isBlocked = net < 0 || disputes.some(({ status }) => status === 'open');
    if (isBlocked) expect(balance.withdrawable).toBe(0);
    else if (this.#refunded === 0 && disputes.length === 0)
      expect(balance.withdrawable).toBe(expected);
    expect(balance.withdrawable).toBeLessThanOrEqual(Math.min(expected, balance.available));
    expect(await under.payments.drift()).toBe(0);
    for (const copy of this.#copies) await copy[Symbol.asyncDispose]();
  }
}

test('no interleaving of payments, withdrawals, webhooks, repeats, faults and crashes loses a cent or pays it twice', async () => {
  await fc.assert(
    fc.asyncProperty(aScript, async (script) => {
      const life = new Life(script);
      await life.run();
      await life.check();
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  expect(await under.ledger.verify(true)).toMatchObject({
    unbalancedTransactions: 0,
    driftedBalances: 0,
    negativeBalances: 0,
  });
}, 3_600_000);
