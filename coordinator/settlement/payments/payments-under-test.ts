import type { Pool } from 'pg';
import { pino } from 'pino';
import { randomToken } from '#bus-schemas';
import { connectDatabase } from '#coordinator/database.ts';
import { FakeStripe, startTestDatabase } from '#testcontainers';
import { digestOf } from '../core/digest.ts';
import { LedgerStore } from '../ledger/ledger-store.ts';
import type { Payments } from './payments.ts';
import { stripePayments } from './stripe-payments.ts';

export const RETURN_URLS = {
  successUrl: 'https://example.com/done',
  cancelUrl: 'https://example.com/no',
};

export interface PaymentsUnderTest extends AsyncDisposable {
  readonly stripe: FakeStripe;
  readonly database: Pool;
  readonly ledger: LedgerStore;
  readonly payments: Payments;
  readonly alerts: string[];
  /** Starts another copy of payments on the same ledger, through `database` if given. */
  copy(database?: Pool): Payments;
}

/** Starts a database, a Stripe that can fail, and payments between them. */
export async function startPaymentsUnderTest(): Promise<PaymentsUnderTest> {
  await using stack = new AsyncDisposableStack();
  const stripe = stack.use(await FakeStripe.start());
  const { databaseUrl } = stack.use(await startTestDatabase());
  const database = connectDatabase(databaseUrl, { max: 8 });
  database.on('error', () => undefined);
  stack.defer(() => database.end());
  const alerts: string[] = [];
  const copies = new AsyncDisposableStack();
  stack.defer(() => copies.disposeAsync());
  const config = {
    apiKey: stripe.apiKey,
    webhookSecret: stripe.webhookSecret,
    url: stripe.url,
  };
  const copy = (through: Pool = database): Payments =>
    copies.use(
      stripePayments(
        {
          database: through,
          ledger: new LedgerStore(through, Date.now),
          alerts: { raise: (alert, subject) => void alerts.push(`${alert} ${subject}`) },
          outbox: { nudge: () => undefined },
          log: pino({ level: 'silent' }),
          now: Date.now,
        },
        config,
      ),
    );
  const payments = copy();
  const owned = stack.move();
  return {
    stripe,
    database,
    ledger: new LedgerStore(database, Date.now),
    payments,
    alerts,
    copy,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export const newAccount = () => `acct_${randomToken(12)}`;

/** Credits the account with earnings, as if its machines had served jobs. */
export async function earn(
  { ledger, stripe }: PaymentsUnderTest,
  account: string,
  amount: number,
): Promise<void> {
  // Another account pays for that work, because the platform can pass on only money that it has.
  const form = {
    line_items: {
      0: { quantity: '1', price_data: { currency: 'usd', unit_amount: String(amount / 10_000) } },
    },
  };
  const payer = newAccount();
  stripe.bank.pay(stripe.bank.createSession(form).id);
  const paid = { account: `consumer:${payer}`, kind: 'consumer' } as const;
  await ledger.post({
    operation: `deposit:${payer}`,
    kind: 'deposit',
    digest: digestOf([payer]),
    entries: [
      { ...paid, amount },
      { account: 'external:stripe', kind: 'external', amount: -amount },
    ],
  });
  await ledger.post({
    operation: `work:${payer}`,
    kind: 'credit',
    digest: digestOf([payer]),
    entries: [
      { ...paid, amount: -amount },
      { account: `consumer:${account}`, kind: 'consumer', amount, earned: amount },
    ],
  });
}

export async function onboard(
  { payments, stripe, database }: PaymentsUnderTest,
  account: string,
): Promise<string> {
  await payments.onboard({
    account,
    refreshUrl: 'https://example.com/again',
    returnUrl: 'https://example.com/back',
  });
  const { rows } = await database.query<{ id: string }>(
    'SELECT stripe_account AS id FROM connected_accounts WHERE account = $1',
    [account],
  );
  const id = rows[0]?.id as string;
  await payments.webhook(stripe.sign(stripe.bank.onboard(id)));
  return id;
}
