import fc from 'fast-check';
import { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Held, type JobEnded, newJobId, randomToken, type SettlementSettled } from '#bus-schemas';
import { migrate } from '#coordinator/migrate.ts';
import { type PostgresNode, startPostgres } from '#testcontainers';
import { chargeFor, costOf, type Price } from './core/charge.ts';
import { digestOf } from './core/digest.ts';
import { Crash, type CrashPoint, crashingPool } from './crashing-pool.ts';
import { Holds } from './holds.ts';
import { KEY, MODEL } from './settlement-under-test.ts';
import { endOf, Settler } from './settler.ts';
import { LedgerStore } from './store/ledger-store.ts';
import { endByReceipt } from './sweeper.ts';

const RUNS = Number(process.env['DINF_PROPERTY_RUNS'] ?? 150);
const FEE_BPS = 725;
const FUNDS = 600;
const PRICE: Price = { inputPerMillion: 1_000_000, outputPerMillion: 2_000_000 };

let postgres: PostgresNode;
let pool: Pool;
beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase('ledger');
  await migrate(url);
  pool = new Pool({ connectionString: url, max: 8 });
  pool.on('error', () => undefined);
}, 60_000);
afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

const tokens = fc.integer({ min: 0, max: 60 });
const aJob = fc.record({
  account: fc.integer({ min: 0, max: 2 }),
  promptBound: tokens,
  outputBound: tokens,
  result: fc.constantFrom('completed' as const, 'cut_short' as const, 'client_gone' as const, 'failed' as const),
  deliveredTokens: tokens,
  usage: fc.option(fc.record({ promptTokens: tokens, cachedTokens: fc.constant(0), completionTokens: tokens }), { nil: undefined }),
});
type Job = typeof aJob extends fc.Arbitrary<infer T> ? T : never;
const aStep = fc.record({ job: fc.nat(), does: fc.constantFrom('hold', 'hold', 'contradict', 'end', 'end', 'receipt', 'sweep') });
const aScript = fc.record({
  jobs: fc.array(aJob, { minLength: 1, maxLength: 8 }),
  /** What happens at the same moment, in turns. */
  turns: fc.array(fc.array(aStep, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 }),
  /** Statements until each crash. */
  crashes: fc.array(fc.record({ after: fc.integer({ min: 0, max: 25 }), point: fc.constantFrom<CrashPoint>('before', 'after') }), { maxLength: 6 }),
});
type Script = typeof aScript extends fc.Arbitrary<infer T> ? T : never;

/** Settlement as one of two processes runs it. */
interface Copy {
  readonly store: LedgerStore;
  readonly settler: Settler;
  readonly holds: Holds;
}

/** One life of a small ledger: what was answered, and what must follow from it. */
class Life {
  readonly #script: Script;
  readonly #copies: readonly Copy[];
  readonly #provider = `A${randomToken(55)}`;
  readonly #accounts = [0, 1, 2].map(() => `acct_${randomToken(12)}`);
  readonly #ids: readonly string[];
  readonly #facts: SettlementSettled[] = [];
  /** What a hold of the job was answered with; every later answer must be the same. */
  readonly #held = new Map<number, number>();
  /** The key that the job's hold was given to: asked for it again, the answer is the same; for another, a refusal. */
  readonly #winners = new Map<number, string>();
  readonly #ended = new Set<number>();
  readonly #receipts = new Set<number>();

  constructor(script: Script) {
    this.#script = script;
    this.#ids = script.jobs.map(() => newJobId());
    const crashes = [...script.crashes];
    let statements = 0;
    const next = (): CrashPoint | undefined => {
      const [crash] = crashes;
      if (crash === undefined || statements++ < crash.after) return undefined;
      crashes.shift();
      statements = 0;
      return crash.point;
    };
    this.#copies = [1, 2].map(() => {
      const store = new LedgerStore(crashingPool(pool, next));
      const priceOf = async () => ({ ...PRICE, version: await store.priceVersion(MODEL.id, PRICE) });
      const settler = new Settler({ store, prices: { priceOf }, feeBps: FEE_BPS, now: () => 1, onSettled: (facts) => void this.#facts.push(...facts) });
      return {
        store,
        settler,
        holds: new Holds({ store, prices: { priceOf }, alerts: { raise: () => undefined }, log: pino({ level: 'silent' }), now: Date.now }),
      };
    });
  }

  async run(): Promise<void> {
    for (const account of this.#accounts) await this.#credit(account);
    for (const turn of this.#script.turns) {
      await Promise.all(turn.map(({ job, does }, order) => this.#untilDone(() => this.#step(job % this.#ids.length, does, order))));
    }
    await this.#untilDone(() => this.#sweepAll());
  }

  /** What a crash interrupts is asked or delivered again. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Crash || (error instanceof Error && error.cause instanceof Crash))) throw error;
      }
    }
  }

  async #credit(account: string): Promise<void> {
    const entries = [
      { account: `consumer:${account}`, kind: 'consumer', amount: FUNDS },
      { account: 'external:credit', kind: 'external', amount: -FUNDS },
    ] as const;
    const { store } = this.#copy(0);
    await this.#untilDone(
      async () =>
        void (await store.transaction((client) => store.post(client, [{ operation: `credit:${account}`, digest: digestOf([account, FUNDS]), entries }]))),
    );
  }

  #copy(order: number): Copy {
    return this.#copies[order % 2] as Copy;
  }

  #job(index: number): Job & { id: string; name: string } {
    const job = this.#script.jobs[index] as Job;
    return { ...job, id: this.#ids[index] as string, name: this.#accounts[job.account] as string };
  }

  async #step(index: number, does: Script['turns'][number][number]['does'], order: number): Promise<void> {
    const { store, settler, holds } = this.#copy(order);
    const { id, name, promptBound, outputBound, usage } = this.#job(index);
    const ask = { job: id, account: name, key: KEY, model: MODEL.id, promptBound, outputBound, expiresAt: Date.now() + 3_600_000 };
    switch (does) {
      case 'hold':
        return this.#remember(index, KEY, await holds.hold(ask));
      case 'contradict':
        // Asked for another key: the same amount, so that whichever comes first is held for the same.
        return this.#remember(index, 'key_other', await holds.hold({ ...ask, key: 'key_other' }));
      case 'end':
        await settler.settle([endOf(this.#endedFact(index))]);
        return void this.#ended.add(index);
      case 'receipt': {
        const { promptTokens, completionTokens } = usage ?? { promptTokens: 7, completionTokens: 7 };
        const hash = new Uint8Array(32);
        await store.recordReceipts([
          { job: id, attempt: 1, provider: this.#provider, build: 'b', promptTokens, completionTokens, finish: 'stop', requestHash: hash, responseHash: hash },
        ]);
        return void this.#receipts.add(index);
      }
      case 'sweep': {
        const mine = (await store.overdueJobs(3_600_000, 1_000)).filter(({ job }) => this.#ids.includes(job));
        expect(mine).toEqual([]);
      }
    }
  }

  #remember(index: number, key: string, answer: Held): void {
    const winner = this.#winners.get(index);
    if (winner !== undefined) expect(answer.ok).toBe(winner === key);
    if (!answer.ok) return;
    this.#winners.set(index, key);
    const { promptBound, outputBound } = this.#job(index);
    expect(answer.heldMicroUsd).toBe(costOf(PRICE, { prompt: promptBound, completion: outputBound }));
    this.#held.set(index, answer.heldMicroUsd);
  }

  #endedFact(index: number): JobEnded {
    const { id, name, promptBound, result, deliveredTokens, usage } = this.#job(index);
    return {
      ...{ job: id, account: name, key: KEY, ingress: 'in_000000000000', model: MODEL.id, build: 'b', provider: this.#provider, attempts: 1, at: 1 },
      ...{ result, streamed: true, deliveredTokens, promptBound, timing: { routeUs: 0, holdUs: 0, totalUs: 0 } },
      ...(usage && { usage }),
    };
  }

  /** Time passes: what has a receipt is settled by it, and the rest expires. Twice, as two copies would. */
  async #sweepAll(): Promise<void> {
    for (const { store, settler } of this.#copies) {
      const overdue = (await store.overdueJobs(0, 1_000)).filter(({ job }) => this.#ids.includes(job));
      await settler.settle(overdue.map(endByReceipt));
      const left = this.#ids.map((job) => endByReceipt({ job, provider: null, promptTokens: 0, completionTokens: 0 }));
      await settler.settle(left);
    }
  }

  async check(): Promise<void> {
    const { rows } = await pool.query<{ job: string; status: string; charged: string; provider_share: string; fee: string; held: string }>(
      'SELECT job, status, charged, provider_share, fee, held FROM job_charges WHERE job = ANY($1)',
      [this.#ids],
    );
    const byJob = new Map(rows.map((row) => [row.job, row]));
    for (const index of this.#ids.keys()) this.#checkJob(index, byJob.get(this.#ids[index] as string));
    const sum = (field: 'charged' | 'provider_share' | 'fee', of = rows) => of.reduce((total, row) => total + Number(row[field]), 0);
    for (const [which, account] of this.#accounts.entries()) {
      const mine = rows.filter(({ job }) => this.#job(this.#ids.indexOf(job)).account === which);
      expect(await this.#balance(`consumer:${account}`)).toBe(FUNDS - sum('charged', mine));
      expect(await this.#balance(`held:${account}`)).toBe(0);
    }
    expect(await this.#balance(`provider:${this.#provider}`)).toBe(sum('provider_share'));
    expect(sum('charged')).toBe(sum('provider_share') + sum('fee'));
    const told = await pool.query<{ message_id: string }>('SELECT message_id FROM settlement_outbox WHERE message_id = ANY($1)', [
      this.#ids.map((id) => `settled:${id}`),
    ]);
    expect(told.rowCount).toBe(rows.filter(({ status }) => status !== 'void').length);
    const { openHolds: _, ...violations } = await new LedgerStore(pool).verify();
    expect(Object.values(violations).every((count) => count === 0)).toBe(true);
  }

  #checkJob(index: number, row: { status: string; charged: string; held: string } | undefined): void {
    const held = this.#held.get(index);
    const { promptBound, deliveredTokens, result, usage } = this.#job(index);
    if (row === undefined) {
      expect(held).toBeUndefined();
      expect(this.#ended.has(index)).toBe(false);
      return;
    }
    expect(row.status).not.toBe('held');
    if (held === undefined) {
      // Only an end that brought tokens is charged without a hold.
      if (Number(row.charged) > 0) expect(this.#ended.has(index) && deliveredTokens > 0 && result !== 'failed').toBe(true);
      return;
    }
    expect(Number(row.held)).toBe(held);
    const reported = usage ?? { promptTokens: 7, completionTokens: 7 };
    const job = { held, price: PRICE, promptBound };
    if (this.#ended.has(index)) {
      // Without usage of its own the end takes a receipt's, if that came first.
      const possible = [usage, ...(this.#receipts.has(index) ? [reported] : [])].map(
        (each) => chargeFor(job, { result, deliveredTokens, usage: each }, FEE_BPS).charged,
      );
      expect(possible).toContain(Number(row.charged));
    } else if (this.#receipts.has(index)) {
      expect(Number(row.charged)).toBe(chargeFor(job, { result: 'completed', deliveredTokens: reported.completionTokens, usage: reported }, FEE_BPS).charged);
    } else expect(Number(row.charged)).toBe(0);
  }

  async #balance(id: string): Promise<number> {
    const { rows } = await pool.query<{ balance: string }>('SELECT balance FROM ledger_accounts WHERE id = $1', [id]);
    return Number(rows[0]?.balance ?? 0);
  }
}

test('no interleaving of holds, ends, receipts, repeats, contradictions and crashes moves a micro-dollar too many', async () => {
  await fc.assert(
    fc.asyncProperty(aScript, async (script) => {
      const life = new Life(script);
      await life.run();
      await life.check();
    }),
    { numRuns: RUNS, endOnFailure: false },
  );
}, 600_000);
