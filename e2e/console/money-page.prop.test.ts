import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Nkey, newJobId, type Payout, type ServiceMethod, services } from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { balanceFigures } from '#console/web/format/balance-figures.ts';
import { exactMoney, money } from '#console/web/format/money.ts';
import { moneyTexts } from '#console/web/texts/english/money.ts';
import { balanceAnswer, statementRow } from '#coordinator/ingress/http/money-routes.ts';
import { ended, jobsOf, newAccount } from '#coordinator/settlement/jobs-under-test.ts';
import {
  type Settlement,
  startSettlementUnderTest,
} from '#coordinator/settlement/settlement-under-test.ts';
import { FakeStripe } from '#testcontainers';

const RUNS = setting('DINF_PROPERTY_RUNS') ?? 20;
const CALL = { timeoutMs: 20_000 };
const CENT = 10_000;
/** Money of the account that buys work, in micro-dollars: more than any history earns. */
const PAYER_MICRO_USD = 1_000_000_000_000_000;
const PLATFORM_FEES = 1_000_000_000_000;
/** A page shorter than most statements, so that the histories also test its continuation. */
const ROWS = 7;

let stripe: FakeStripe;
let settlement: Settlement;
let payer: string;
const jobs = jobsOf(() => settlement);

beforeAll(async () => {
  stripe = await FakeStripe.start();
  settlement = await startSettlementUnderTest({
    stripe: { apiKey: stripe.apiKey, webhookSecret: stripe.webhookSecret, url: stripe.url },
  });
  payer = await jobs.fundedAccount(PAYER_MICRO_USD);
  // Withdrawals are paid out of the balance at Stripe, and rewards out of the platform's fees.
  stripe.bank.pay(stripe.bank.createSession(sessionForm(PAYER_MICRO_USD / CENT)).id);
  await settlement.database.query(
    "UPDATE ledger_accounts SET balance = balance + $1 WHERE id = 'platform:fees'",
    [PLATFORM_FEES],
  );
}, 60_000);
afterAll(async () => {
  await settlement?.[Symbol.asyncDispose]();
  await stripe?.[Symbol.asyncDispose]();
});

const ask = <Request, Reply>(method: ServiceMethod<Request, Reply>, request: Request) =>
  settlement.bus.call(method, request, CALL);
const sessionForm = (cents: number) => ({
  line_items: { 0: { quantity: '1', price_data: { currency: 'usd', unit_amount: `${cents}` } } },
});

const cents = fc.integer({ min: 100, max: 50_000 });
/** Amounts below a cent have a format of their own, so they are as frequent as larger ones. */
const micro = fc.oneof(
  fc.integer({ min: 1, max: 12_000 }),
  fc.integer({ min: 1, max: 40_000_000 }),
);
const tokens = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 4_000_000 }));
const aStep = fc.oneof(
  fc.record({ does: fc.constant('deposit' as const), cents }),
  fc.record({ does: fc.constantFrom('credit' as const, 'reward' as const), micro }),
  fc.record({
    does: fc.constant('request' as const),
    tokens,
    end: fc.constantFrom(
      'charged' as const,
      'charged' as const,
      'refunded' as const,
      'open' as const,
    ),
  }),
  fc.record({ does: fc.constant('earn' as const), tokens }),
  fc.record({ does: fc.constant('withdraw' as const), cents, instant: fc.boolean() }),
  fc.record({
    does: fc.constantFrom(
      'age earnings' as const,
      'refund deposit' as const,
      'dispute deposit' as const,
      'return withdrawal' as const,
    ),
  }),
);
type Step = typeof aStep extends fc.Arbitrary<infer T> ? T : never;

/** A history with every kind of movement; the others are random. */
const EVERYTHING: Step[] = [
  { does: 'deposit', cents: 1_234 },
  { does: 'credit', micro: 7_005 },
  { does: 'reward', micro: 30_000_001 },
  { does: 'earn', tokens: 2_345_678 },
  { does: 'age earnings' },
  { does: 'earn', tokens: 3 },
  { does: 'withdraw', cents: 1_000, instant: true },
  { does: 'withdraw', cents: 500, instant: false },
  { does: 'return withdrawal' },
  { does: 'request', tokens: 1_000_001, end: 'charged' },
  { does: 'request', tokens: 60, end: 'refunded' },
  { does: 'request', tokens: 17, end: 'open' },
  { does: 'refund deposit' },
];
const EVERY_KIND = [
  'charge',
  'credit',
  'deposit',
  'earning',
  'payment_reversed',
  'reward',
  'withdrawal',
  'withdrawal_returned',
];

/** One account, to which the steps of a history happen through the services of settlement. */
class History {
  readonly account = newAccount();
  readonly #machine = Nkey.create('account').getPublicKey();
  readonly #sessions: string[] = [];
  readonly #withdrawals: Payout[] = [];
  readonly #ended: string[] = [];
  #operations = 0;
  #ages = 0;

  constructor() {
    settlement.owners.set(this.#machine, this.account);
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#do(step);
    await this.#allSettled();
    settlement.owners.delete(this.#machine);
  }

  /** The ends of jobs reach settlement through a stream, some time after they were told. */
  async #allSettled(): Promise<void> {
    await vi.waitFor(
      async () => {
        const { rowCount } = await settlement.database.query(
          'SELECT 1 FROM charges WHERE job = ANY($1)',
          [this.#ended],
        );
        expect(rowCount).toBe(this.#ended.length);
      },
      { timeout: 60_000, interval: 5 },
    );
  }

  async #do(step: Step): Promise<void> {
    const { account } = this;
    switch (step.does) {
      case 'deposit':
        return this.#deposit(step.cents);
      case 'credit':
      case 'reward': {
        const operation = this.#operation();
        return void (await ask(services.settlement[step.does], {
          account,
          amountMicroUsd: step.micro,
          operation,
        }));
      }
      case 'request':
        return this.#request({ buyer: account, tokens: step.tokens, end: step.end });
      case 'earn':
        return this.#request({
          buyer: payer,
          tokens: step.tokens,
          end: 'charged',
          machine: this.#machine,
        });
      case 'withdraw':
        return this.#withdraw(step.cents, step.instant);
      case 'age earnings':
        await this.#allSettled();
        this.#ages += 1;
        // A machine has one row for each hour, so each step moves the newest one to an hour of its own.
        return void (await settlement.database.query(
          `UPDATE earnings SET hour = hour - interval '40 days' - $2 * interval '1 hour'
           WHERE account = 'consumer:' || $1 AND hour > now() - interval '1 day'`,
          [account, this.#ages],
        ));
      case 'refund deposit': {
        const session = this.#sessions.pop();
        if (session !== undefined) await this.#tell(stripe.bank.refund(session, 100));
        return;
      }
      case 'dispute deposit': {
        const session = this.#sessions.pop();
        if (session !== undefined) await this.#tell(stripe.bank.dispute(session, 100).event);
        return;
      }
      case 'return withdrawal': {
        const payout = this.#withdrawals.pop();
        const transfer = [...stripe.bank.transfers.values()].find(
          ({ transfer_group, reversed }) => transfer_group === payout?.payout && !reversed,
        );
        if (transfer !== undefined) await this.#tell(stripe.bank.reverse(transfer.id));
      }
    }
  }

  async #deposit(cents: number): Promise<void> {
    const made = await ask(services.settlement.checkout, {
      account: this.account,
      amountMicroUsd: cents * CENT,
      operation: this.#operation(),
      successUrl: 'https://example.com/done',
      cancelUrl: 'https://example.com/no',
    });
    if (!made.ok) throw new Error(made.code);
    await this.#tell(stripe.bank.pay(made.session));
    this.#sessions.push(made.session);
  }

  /** A request that is refused for lack of money leaves no trace in the books. */
  async #request({
    buyer,
    tokens,
    end,
    machine,
  }: {
    buyer: string;
    tokens: number;
    end: 'charged' | 'refunded' | 'open';
    machine?: string;
  }): Promise<void> {
    const job = newJobId();
    const provider = machine === undefined ? {} : { provider: machine };
    const held = await jobs.ask({ job, account: buyer, outputBound: tokens, ...provider });
    if (!held.ok || end === 'open') return;
    const result = end === 'charged' ? 'completed' : 'failed';
    const usage = { promptTokens: 30, cachedTokens: 10, completionTokens: tokens };
    jobs.tell(ended(job, buyer, { result, usage, deliveredTokens: tokens, ...provider }));
    this.#ended.push(job);
  }

  async #withdraw(cents: number, instant: boolean): Promise<void> {
    const { account } = this;
    const { onboarded } = await ask(services.settlement.payouts, { account });
    if (!onboarded) {
      const urls = { refreshUrl: 'https://example.com/again', returnUrl: 'https://example.com/' };
      await ask(services.settlement.onboard, { account, ...urls });
      const { rows } = await settlement.database.query<{ id: string }>(
        'SELECT stripe_account AS id FROM connected_accounts WHERE account = $1',
        [account],
      );
      await this.#tell(stripe.bank.onboard(rows[0]?.id ?? ''));
    }
    const amountMicroUsd = cents * CENT;
    const operation = this.#operation();
    const made = await ask(services.settlement.withdraw, {
      account,
      amountMicroUsd,
      instant,
      operation,
    });
    if (made.ok) this.#withdrawals.push(made.payout);
  }

  async #tell(event: Parameters<FakeStripe['sign']>[0]): Promise<void> {
    await ask(services.settlement.webhook, stripe.sign(event));
  }

  #operation(): string {
    this.#operations += 1;
    return `${this.account} ${this.#operations}`;
  }
}

/** The books of one account, as whole micro-dollars that SQL has summed from single movements. */
interface Books {
  readonly balance: bigint;
  readonly earned: bigint;
  readonly promotional: bigint;
  readonly held: bigint;
  readonly owed: bigint;
  readonly maturing: bigint;
  readonly thisHour: bigint;
  readonly disputes: bigint;
}

async function booksOf(account: string): Promise<Books> {
  const { rows } = await settlement.database.query<Record<keyof Books, string>>(
    `WITH moved AS (
       SELECT sum(amount) AS balance, sum(earned) AS earned, sum(promotional) AS promotional
       FROM ledger_movements WHERE account = 'consumer:' || $1
     ), worked AS (
       SELECT sum(amount - promotional) FILTER (WHERE hour > now() - interval '3 days') AS maturing,
         sum(amount) FILTER (WHERE hour + interval '1 hour' >= now()) AS this_hour
       FROM earnings WHERE account = 'consumer:' || $1
     )
     SELECT coalesce(balance, 0) AS balance, coalesce(earned, 0) AS earned,
       coalesce(promotional, 0) AS promotional, coalesce(maturing, 0) AS maturing,
       coalesce(this_hour, 0) AS "thisHour",
       (SELECT coalesce(sum(held), 0) FROM holds WHERE account = $1) AS held,
       (SELECT coalesce(sum(owed), 0) FROM deposits WHERE account = $1) AS owed,
       (SELECT count(*) FROM disputes WHERE account = $1 AND status = 'open') AS disputes
     FROM moved, worked`,
    [account],
  );
  return Object.fromEntries(
    Object.entries(rows[0] ?? {}).map(([name, value]) => [name, BigInt(value)]),
  ) as unknown as Books;
}

/** The lines of the ledger that a statement must have, by reference: postings and charges. */
async function postingsOf(account: string): Promise<string[]> {
  const { rows } = await settlement.database.query<{ line: string }>(
    `SELECT t.kind || ' ' || e.operation || ' ' || e.amount AS line
     FROM ledger_entries e JOIN ledger_transactions t USING (operation)
     WHERE e.account = 'consumer:' || $1
     UNION ALL SELECT 'charge ' || job || ' ' || -charged FROM charges WHERE account = $1 AND charged > 0
     UNION ALL SELECT 'earning ' || source || ' ' || amount FROM earnings
     WHERE account = 'consumer:' || $1 AND hour + interval '1 hour' < now()`,
    [account],
  );
  return rows.map(({ line }) => line).toSorted();
}

async function statementOf(account: string) {
  const rows: ReturnType<typeof statementRow>[] = [];
  for (let after: string | undefined; ; ) {
    const page = await ask(services.settlement.statement, {
      account,
      limit: ROWS,
      ...(after !== undefined && { after }),
    });
    rows.push(...page.lines.map(statementRow));
    if (page.next === undefined) return rows;
    after = page.next;
  }
}

/** Reads an amount that the page shows, in micro-dollars. */
function shownAmount(text: string): bigint {
  const [, sign, dollars = '', decimals = ''] = /^(−?)\$([\d,]+)\.(\d{2,6})$/.exec(text) ?? [];
  const amount = BigInt(dollars.replaceAll(',', '') + decimals.padEnd(6, '0'));
  return sign === '' ? amount : -amount;
}

/** Checks both forms of an amount on the page, and returns the exact one. */
function shownExactly(microUsd: number): bigint {
  const exact = shownAmount(exactMoney(microUsd));
  const rounded = Number(shownAmount(money(microUsd)) - exact);
  // Half a cent, or a twentieth of an amount that two decimals would show as zero.
  const tolerance = Math.abs(microUsd) >= CENT ? CENT / 2 : Math.abs(microUsd) / 20;
  expect(Math.abs(rounded)).toBeLessThanOrEqual(tolerance);
  return exact;
}

async function checkMoneyPage(account: string): Promise<void> {
  const balance = balanceAnswer(await ask(services.settlement.balance, { account }));
  const shown = new Map(
    balanceFigures(balance).map(([figure, amount]) => [figure, shownExactly(amount)]),
  );
  const books = await booksOf(account);
  const available = books.balance - books.held;
  const isBlocked = books.owed > 0n || books.disputes > 0n;
  const mature = least(books.earned, available) - books.maturing;
  expect(shown).toEqual(
    new Map([
      ['available', available],
      ['held', books.held],
      ['promotional', positive(books.promotional - books.held)],
      ['withdrawable', isBlocked ? 0n : positive(mature)],
      ...(books.owed > 0n ? ([['owed', books.owed]] as const) : []),
    ]),
  );
  const statement = await statementOf(account);
  const lines = statement.map((row) => ({ ...row, amount: shownExactly(row.amount_micro_usd) }));
  expect(
    lines.map(({ kind, reference, amount }) => `${kind} ${reference} ${amount}`).toSorted(),
  ).toEqual(await postingsOf(account));
  expect(lines.map(({ at }) => at)).toEqual(lines.map(({ at }) => at).toSorted());
  expect(lines.reduce((sum, { amount }) => sum + amount, 0n) + books.thisHour).toBe(books.balance);
  const maturing = balance.maturing.map((each) => shownExactly(each.amount_micro_usd));
  expect(maturing.reduce((sum, amount) => sum + amount, 0n)).toBe(books.maturing);
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);
const positive = (amount: bigint) => (amount > 0n ? amount : 0n);

test('every number on Money equals the ledger, after any history of an account', async () => {
  const everything = new History();
  await everything.run(EVERYTHING);
  await checkMoneyPage(everything.account);
  const kinds = (await statementOf(everything.account)).map(({ kind }) => kind);
  expect([...new Set(kinds)].toSorted()).toEqual(EVERY_KIND);
  expect(Object.keys(moneyTexts.money.kinds)).toEqual(expect.arrayContaining(EVERY_KIND));
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { minLength: 1, maxLength: 16 }), async (steps) => {
      const history = new History();
      await history.run(steps);
      await checkMoneyPage(history.account);
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
}, 3_600_000);
