import fc from 'fast-check';
import { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Held,
  type JobEnded,
  newJobId,
  P256_KEY_BYTES,
  randomToken,
  type SettlementSettled,
} from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { holdFor, type Price } from '#coordinator/job-cost.ts';
import { startTestDatabase, type TestDatabase } from '#testcontainers';
import { chargeFor, type End, type Terms } from '../core/charge.ts';
import { digestOf } from '../core/digest.ts';
import { KeyCapStore } from '../key-caps/key-cap-store.ts';
import { LedgerStore } from '../ledger/ledger-store.ts';
import type { Quote } from '../pricing/pricing.ts';
import { PricingStore } from '../pricing/pricing-store.ts';
import { KEY, MODEL } from '../settlement-under-test.ts';
import { Crash, type CrashPoint, crashesInTurn, crashingPool } from './crashing-pool-under-test.ts';
import { Holds } from './holds.ts';
import { JobStore } from './job-store.ts';
import { OpenJobs } from './open-jobs.ts';
import { endOf, Settler } from './settler.ts';
import { endByReceipt } from './sweeper.ts';

const RUNS = setting('DINF_PROPERTY_RUNS') ?? 150;
const FEE_BPS = 725;
const BOUGHT = 400;
const GIFT = 200;
const PRICE: Price = {
  inputPerMillion: 1_000_000,
  cacheReadPerMillion: 500_000,
  outputPerMillion: 2_000_000,
};
/** The second provider charges this price. Its owner is the third account. */
const SECOND_PRICE: Price = {
  inputPerMillion: 1_500_000,
  cacheReadPerMillion: 500_000,
  outputPerMillion: 3_000_000,
};

let postgres: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  postgres = await startTestDatabase();
  pool = new Pool({ connectionString: postgres.databaseUrl, max: 8 });
  pool.on('error', () => undefined);
}, 60_000);
afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

const tokens = fc.integer({ min: 0, max: 60 });
const aJob = fc.record({
  account: fc.integer({ min: 0, max: 2 }),
  /** True when the second provider serves the job. */
  usesSecond: fc.boolean(),
  /** True when the end of the job names the key of a signed receipt. */
  signed: fc.boolean(),
  promptBound: tokens,
  outputBound: tokens,
  result: fc.constantFrom(
    'completed' as const,
    'cut_short' as const,
    'client_gone' as const,
    'failed' as const,
  ),
  deliveredTokens: tokens,
  usage: fc.option(
    fc.record({ promptTokens: tokens, cachedTokens: tokens, completionTokens: tokens }),
    { nil: undefined },
  ),
});
type Job = typeof aJob extends fc.Arbitrary<infer T> ? T : never;
const aStep = fc.record({
  job: fc.nat(),
  does: fc.constantFrom(
    'hold',
    'hold',
    'hold together',
    'contradict',
    'end',
    'end',
    'top up',
    'receipt',
    'sweep',
  ),
});
const aScript = fc.record({
  jobs: fc.array(aJob, { minLength: 1, maxLength: 8 }),
  /** The steps of one turn run at the same time; the turns run one after another. */
  turns: fc.array(fc.array(aStep, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 }),
  /** Each crash happens after this many statements. */
  crashes: fc.array(
    fc.record({
      after: fc.integer({ min: 0, max: 25 }),
      point: fc.constantFrom<CrashPoint>('before', 'after'),
    }),
    { maxLength: 6 },
  ),
});
type Script = typeof aScript extends fc.Arbitrary<infer T> ? T : never;

/** The parts of settlement that one of two processes runs. */
interface Copy {
  readonly store: JobStore;
  readonly ledger: LedgerStore;
  readonly settler: Settler;
  readonly holds: Holds;
}

/** Runs one script against the ledger, records the answers, and checks the books against them. */
class Life {
  readonly #script: Script;
  readonly #copies: readonly Copy[];
  readonly #provider = `A${randomToken(55)}`;
  readonly #secondProvider = `A${randomToken(55)}`;
  readonly #referrer = `consumer:acct_${randomToken(12)}`;
  readonly #accounts = [0, 1, 2].map(() => `acct_${randomToken(12)}`);
  readonly #ids: readonly string[];
  readonly #facts: SettlementSettled[] = [];
  /**
   * The key that got the hold of each job. A repeated request of this key gets the hold again, and
   * a request of the other key is refused.
   */
  readonly #winners = new Map<number, string>();
  readonly #ended = new Set<number>();
  readonly #receipts = new Set<number>();
  readonly #topped = new Set<number>();

  constructor(script: Script) {
    this.#script = script;
    this.#ids = script.jobs.map(() => newJobId());
    const next = crashesInTurn(script.crashes);
    this.#copies = [1, 2].map(() => {
      const crashing = crashingPool(pool, next);
      const [store, ledger, prices, openJobs] = [
        new JobStore(crashing),
        new LedgerStore(crashing, () => 1),
        new PricingStore(crashing),
        new OpenJobs(),
      ];
      const alerts = { raise: () => undefined };
      const payeeOf = async (provider: string) => this.#payeeOf(provider);
      const quote = async ({
        account,
        provider,
      }: {
        account: string;
        provider: string | undefined;
      }): Promise<Quote> => {
        const price = this.#priceOf(provider);
        const payee = provider === undefined ? null : this.#payeeOf(provider);
        return {
          price,
          listed: price,
          payee,
          terms: this.#termsOf(account),
          priceVersion: await prices.priceVersion(MODEL.id, price),
        };
      };
      const pricing = { quote, payeeOf };
      const settler = new Settler({
        store,
        pricing,
        openJobs,
        alerts,
        now: Date.now,
        receiptGraceMs: 0,
        onWaiting: () => undefined,
        signingKeys: { proofOf: async (_, key) => (key === undefined ? 'unsigned' : 'signed') },
        onSettled: (facts) => void this.#facts.push(...facts),
      });
      return {
        store,
        ledger,
        settler,
        holds: new Holds({
          store,
          ledger,
          keyCaps: new KeyCapStore(crashing),
          pricing,
          openJobs,
          alerts,
          log: pino({ level: 'silent' }),
          now: Date.now,
        }),
      };
    });
  }

  async run(): Promise<void> {
    for (const account of this.#accounts) await this.#credit(account);
    for (const id of [this.#referrer, `provider:${this.#provider}`])
      await new PricingStore(pool).openAccount(id, 'consumer');
    for (const turn of this.#script.turns) {
      await Promise.all(
        turn.map(({ job, does }, order) =>
          this.#untilDone(() => this.#step(job % this.#ids.length, does, order)),
        ),
      );
    }
    await this.#untilDone(() => this.#sweepAll());
  }

  /** Repeats work that a crash interrupted, as callers and the hub do. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Crash || (error instanceof Error && error.cause instanceof Crash)))
          throw error;
      }
    }
  }

  async #credit(account: string): Promise<void> {
    const { ledger } = this.#copy(0);
    const sources = [
      { kind: 'deposit', source: 'external:stripe', amount: BOUGHT },
      { kind: 'credit', source: 'external:promotions', amount: GIFT },
    ] as const;
    for (const { kind, source, amount } of sources) {
      const entries = [
        { account: `consumer:${account}`, kind: 'consumer', amount },
        { account: source, kind: 'external', amount: -amount },
      ] as const;
      const posting = {
        operation: `${kind}:${account}`,
        kind,
        digest: digestOf([account, amount]),
        entries,
      };
      await this.#untilDone(async () => expect(await ledger.post(posting)).toBe(true));
    }
  }

  #priceOf(provider: string | undefined): Price {
    return provider === this.#secondProvider ? SECOND_PRICE : PRICE;
  }

  #payeeOf(provider: string): string {
    return provider === this.#secondProvider
      ? `consumer:${this.#accounts[2]}`
      : `provider:${provider}`;
  }

  /** Only the first account has a referrer. */
  #termsOf(account: string): Terms {
    return {
      feeBps: FEE_BPS,
      minimum: 0,
      referrer: account === this.#accounts[0] ? this.#referrer : null,
    };
  }

  #copy(order: number): Copy {
    return this.#copies[order % 2] as Copy;
  }

  #serving(index: number): string {
    return this.#script.jobs[index]?.usesSecond ? this.#secondProvider : this.#provider;
  }

  #job(index: number): Job & { id: string; name: string } {
    const job = this.#script.jobs[index] as Job;
    return { ...job, id: this.#ids[index] as string, name: this.#accounts[job.account] as string };
  }

  async #step(
    index: number,
    does: Script['turns'][number][number]['does'],
    order: number,
  ): Promise<void> {
    const { store, settler, holds } = this.#copy(order);
    const { id, name, promptBound, outputBound, usage } = this.#job(index);
    const ask = {
      job: id,
      account: name,
      key: KEY,
      model: MODEL.id,
      provider: this.#provider,
      promptBound,
      outputBound,
      expiresAt: Date.now() + 3_600_000,
    };
    switch (does) {
      case 'hold':
        return this.#remember(index, KEY, await holds.hold(ask));
      case 'contradict':
        // The request of the other key has the same bounds, so that the amount does not depend on
        // which request comes first.
        return this.#remember(index, 'key_other', await holds.hold({ ...ask, key: 'key_other' }));
      case 'hold together': {
        const [first, ...others] = this.#jobsOfAccount(index);
        const choices = others.map((other) => {
          const { id: choice, ...bounds } = this.#job(other);
          return { ...boundsOf(bounds), job: choice };
        });
        const { id: job, ...bounds } = this.#job(first as number);
        const answer = await holds.hold({ ...ask, ...boundsOf(bounds), job, choices });
        return this.#rememberAll(first as number, others, answer);
      }
      case 'end':
        await settler.settle([endOf(this.#endedFact(index))]);
        return void this.#ended.add(index);
      case 'top up':
        if ((await holds.topUp({ job: id, provider: this.#secondProvider })).ok)
          this.#topped.add(index);
        return;
      case 'receipt': {
        const hash = new Uint8Array(32);
        const taken = await store.receipts.record([
          {
            job: id,
            attempt: 1,
            provider: this.#serving(index),
            build: 'b',
            ...(usage ?? SEVEN),
            finish: 'stop',
            requestHash: hash,
            responseHash: hash,
            deliveredTokens: (usage ?? SEVEN).completionTokens,
          },
        ]);
        if (taken.length > 0) this.#receipts.add(index);
        return;
      }
      case 'sweep': {
        const mine = (await store.overdue(3_600_000, 1_000)).filter(({ job }) =>
          this.#ids.includes(job),
        );
        expect(mine).toEqual([]);
      }
    }
  }

  #remember(index: number, key: string, answer: Held): void {
    const winner = this.#winners.get(index);
    if (winner !== undefined) expect(answer.ok).toBe(winner === key);
    if (!answer.ok) return;
    this.#winners.set(index, key);
    const { promptBound, outputBound, deliveredTokens } = this.#job(index);
    // If the end came before any hold, the hold was computed from the delivered tokens.
    const possible = [outputBound, deliveredTokens].flatMap((completion) =>
      [PRICE, SECOND_PRICE].map((price) => holdFor(price, { prompt: promptBound, completion }, 0)),
    );
    expect(possible).toContain(answer.heldMicroUsd);
  }

  /** The jobs of the same account, this one first. */
  #jobsOfAccount(index: number): number[] {
    const { account } = this.#job(index);
    const others = [...this.#ids.keys()].filter((other) => this.#job(other).account === account);
    return [index, ...others.filter((other) => other !== index)];
  }

  /**
   * Holds that are made together are granted for all jobs or for none. A job that gets none here
   * has no winner, so the check at the end finds a hold that was left behind.
   */
  #rememberAll(first: number, others: readonly number[], answer: Held): void {
    const winners = [first, ...others].map((index) => this.#winners.get(index));
    if (winners.every((winner) => winner === KEY)) expect(answer.ok).toBe(true);
    if (winners.includes('key_other')) expect(answer.ok).toBe(false);
    if (!answer.ok) return;
    expect(answer.forChoices).toBe(true);
    for (const index of others) this.#winners.set(index, KEY);
    this.#remember(first, KEY, answer);
  }

  #endedFact(index: number): JobEnded {
    const { id, name, promptBound, result, deliveredTokens, usage, signed } = this.#job(index);
    return {
      job: id,
      account: name,
      key: KEY,
      ingress: 'in_000000000000',
      model: MODEL.id,
      build: 'b',
      provider: this.#serving(index),
      attempts: 1,
      at: 1,
      result,
      streamed: true,
      deliveredTokens,
      promptBound,
      timing: { routeUs: 0, holdUs: 0, totalUs: 0 },
      ...(usage && { usage }),
      ...(signed && { receiptKey: new Uint8Array(P256_KEY_BYTES) }),
    };
  }

  /**
   * Settles every open job that has a receipt and refunds the others, because their time is over.
   * Both copies of settlement do it.
   */
  async #sweepAll(): Promise<void> {
    await pool.query(
      "UPDATE holds SET expires_at = now() - interval '1 second' WHERE job = ANY($1) AND ended IS NULL",
      [this.#ids],
    );
    for (const { store, settler } of this.#copies) {
      const overdue = (await store.overdue(0, 1_000)).filter(({ job }) => this.#ids.includes(job));
      await settler.settle(overdue.map(endByReceipt));
      const left = this.#ids.map((job) =>
        endByReceipt({
          job,
          provider: null,
          promptTokens: 0,
          cachedTokens: 0,
          completionTokens: 0,
          deliveredTokens: 0,
        }),
      );
      await settler.settle(left);
    }
  }

  async check(): Promise<void> {
    const { rows } = await pool.query<ChargeRow>(
      `SELECT job, outcome, charged::int, from_earned::int AS "fromEarned", from_promotional::int AS "fromPromotional", provider_share::int AS share, fee::int, referral::int, referrer, payee, held::int
       FROM charges WHERE job = ANY($1)`,
      [this.#ids],
    );
    const byJob = new Map(rows.map((row) => [row.job, row]));
    for (const index of this.#ids.keys())
      this.#checkJob(index, byJob.get(this.#ids[index] as string));
    const sum = (amount: (row: ChargeRow) => number) =>
      rows.reduce((total, row) => total + amount(row), 0);
    for (const { charged, fromEarned, fromPromotional } of rows)
      expect(fromEarned + fromPromotional).toBeLessThanOrEqual(charged);
    const received = (id: string) =>
      sum((row) => (row.payee === id ? row.share : 0) + (row.referrer === id ? row.referral : 0));
    const gifts = (id: string) =>
      sum(
        (row) =>
          (row.payee === id ? partsOf(row).ofShare : 0) +
          (row.referrer === id ? partsOf(row).ofReferral : 0),
      );
    const earned = (id: string) => received(id) - gifts(id);
    for (const [which, account] of this.#accounts.entries()) {
      const isMine = ({ job }: ChargeRow) => this.#job(this.#ids.indexOf(job)).account === which;
      const id = `consumer:${account}`;
      const spent = (part: 'charged' | 'fromEarned' | 'fromPromotional') =>
        sum((row) => (isMine(row) ? row[part] : 0));
      expect(await this.#balance(id)).toEqual({
        balance: BOUGHT + GIFT - spent('charged') + received(id),
        earned: earned(id) - spent('fromEarned'),
        promotional: GIFT - spent('fromPromotional') + gifts(id),
        held: 0,
      });
    }
    for (const id of [`provider:${this.#provider}`, this.#referrer]) {
      expect(await this.#balance(id)).toEqual({
        balance: received(id),
        earned: earned(id),
        promotional: gifts(id),
        held: 0,
      });
    }
    // Only money that was paid in can become withdrawable; promotional credit cannot.
    const all = [
      ...this.#accounts.map((account) => `consumer:${account}`),
      `provider:${this.#provider}`,
      this.#referrer,
    ];
    expect(all.reduce((total, id) => total + earned(id), 0)).toBeLessThanOrEqual(
      this.#accounts.length * BOUGHT + sum(({ fromEarned }) => fromEarned),
    );
    const outbox = await pool.query<{ id: string }>(
      'SELECT unnest(message_ids) AS id FROM settlement_outbox WHERE message_ids && $1',
      [this.#ids.map((id) => `settled:${id}`)],
    );
    const mine = outbox.rows.filter(({ id }) => this.#ids.includes(id.slice('settled:'.length)));
    expect(mine).toHaveLength(rows.filter(({ outcome }) => outcome !== 'void').length);
  }

  #checkJob(index: number, row: ChargeRow | undefined): void {
    const isHeld = this.#winners.has(index);
    const {
      promptBound,
      outputBound,
      deliveredTokens,
      result,
      usage,
      name,
      usesSecond,
      account,
      signed,
    } = this.#job(index);
    if (row === undefined) {
      expect(isHeld || this.#ended.has(index)).toBe(false);
      return;
    }
    if (!isHeld) {
      // Without an answered hold, only an end with delivered tokens is charged.
      if (row.charged > 0)
        expect(this.#ended.has(index) && deliveredTokens > 0 && result !== 'failed').toBe(true);
      return;
    }
    // A top-up that ran at the same time as the end may have taken effect before or after it.
    const prices = this.#topped.has(index) || usesSecond ? [PRICE, SECOND_PRICE] : [PRICE];
    const bounds = { prompt: promptBound, completion: outputBound };
    const charges = (end: End) => {
      const job = {
        promptBound,
        terms: this.#termsOf(name),
        isOwnMachine: usesSecond && account === 2,
      };
      // An end that came before the hold was charged from a hold that settlement made for it.
      const own = { prompt: promptBound, completion: deliveredTokens };
      return prices.flatMap((price) =>
        [bounds, own].map(
          (each) => chargeFor({ ...job, price, held: holdFor(price, each, 0) }, end).charged,
        ),
      );
    };
    const reported = usage ?? SEVEN;
    if (this.#ended.has(index)) {
      expect(signed ? charges({ result, deliveredTokens, usage }) : [0]).toContain(row.charged);
    } else if (this.#receipts.has(index)) {
      // The receipt of a provider that the job was never ordered from does not count.
      const isOrdered = !usesSecond || this.#topped.has(index);
      expect(
        isOrdered
          ? charges({
              result: 'completed',
              deliveredTokens: reported.completionTokens,
              usage: reported,
            })
          : [0],
      ).toContain(row.charged);
    } else expect(row.charged).toBe(0);
  }

  async #balance(
    id: string,
  ): Promise<Record<'balance' | 'earned' | 'promotional' | 'held', number> | undefined> {
    const { rows } = await pool.query<
      Record<'balance' | 'earned' | 'promotional' | 'held', number>
    >(
      'SELECT balance::int, earned::int, promotional::int, held::int FROM ledger_accounts WHERE id = $1',
      [id],
    );
    return rows[0];
  }
}

interface ChargeRow {
  readonly job: string;
  readonly outcome: string;
  readonly charged: number;
  readonly fromEarned: number;
  readonly fromPromotional: number;
  readonly share: number;
  readonly fee: number;
  readonly referral: number;
  readonly referrer: string | null;
  readonly payee: string | null;
  readonly held: number;
}

/** Promotional credit pays the fee first, then the referrer, then the provider. */
function partsOf({ fromPromotional, fee, referral }: ChargeRow): {
  ofReferral: number;
  ofShare: number;
} {
  const afterFee = Math.max(0, fromPromotional - fee);
  return { ofReferral: Math.min(referral, afterFee), ofShare: Math.max(0, afterFee - referral) };
}

const boundsOf = ({ promptBound, outputBound }: Pick<Job, 'promptBound' | 'outputBound'>) => ({
  promptBound,
  outputBound,
});

const SEVEN = { promptTokens: 7, cachedTokens: 0, completionTokens: 7 };

test('no interleaving of holds, ends, receipts, repeats, contradictions and crashes makes a balance wrong', async () => {
  await fc.assert(
    fc.asyncProperty(aScript, async (script) => {
      const life = new Life(script);
      await life.run();
      await life.check();
    }),
    { numRuns: RUNS, endOnFailure: false },
  );
  expect(await new LedgerStore(pool, Date.now).verify(true)).toMatchObject({
    unbalancedTransactions: 0,
    driftedBalances: 0,
    negativeBalances: 0,
    openHolds: 0,
    orphanHolds: 0,
    doubleEnded: 0,
  });
}, 600_000);
