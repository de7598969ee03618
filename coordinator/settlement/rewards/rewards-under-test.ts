import { Client, type Pool } from 'pg';
import { pino } from 'pino';
import {
  type MachineStanding,
  type MessageOf,
  newJobId,
  type RewardPolicy,
  randomToken,
  services,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { connectDatabase } from '#coordinator/database.ts';
import { digestOf } from '../core/digest.ts';
import { LedgerStore } from '../ledger/ledger-store.ts';
import { PromotionStore } from './promotion-store.ts';
import { RewardJob } from './reward-job.ts';
import { RewardPayments } from './reward-payments.ts';
import { RewardPolicies } from './reward-policies.ts';
import { RewardStore } from './reward-store.ts';

type ReadyHours = MessageOf<typeof services.routing.readyHours.reply>;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The tests call the steps of a job; its timer never runs. */
const NEVER_MS = 2 ** 31 - 1;
/** Price of the request that each machine has answered, in micro-dollars. */
export const PRICE = 100;

export const POLICY: RewardPolicy = {
  amountMicroUsd: 500_000,
  dayBudgetMicroUsd: 5_000_000,
  ownerMachines: 2,
  readyMinutes: 120,
  level: 'hardware',
  requests: 1,
  ageDays: 1,
};

const dayBefore = (days: number): string =>
  new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
/** A day that is over and may still be decided, and the day before it. */
export const DAY = dayBefore(3);
export const EARLIER_DAY = dayBefore(4);

interface MachineChanges {
  /** Hours of the day in which it was ready. */
  readonly hours?: number;
  /** The request that it answered was paid with promotional credit. */
  readonly isGift?: boolean;
  /** Tokens of its answer. */
  readonly tokens?: number;
  readonly standing?: Partial<MachineStanding>;
}

export interface RewardRow {
  readonly provider: string;
  readonly amount: number;
  readonly reasons: readonly { readonly reason: string }[];
  readonly isPaid: boolean;
}

/** A ledger of its own, with machines whose days and standings the test states. */
export class RewardsUnderTest implements AsyncDisposable {
  readonly ledger: LedgerStore;
  readonly policies: RewardPolicies;
  readonly alerts: string[] = [];
  /** What routing has counted. */
  readonly ready: ReadyHours['machines'] = [];
  readonly standings = new Map<string, MachineStanding>();
  readonly database: Pool;

  private constructor(database: Pool) {
    this.database = database;
    this.ledger = new LedgerStore(database, Date.now);
    this.policies = new RewardPolicies({
      database,
      ledger: this.ledger,
      onPosted: () => undefined,
    });
  }

  /** `template` is the URL of a database with all tables and nobody connected to it. */
  static async start(template: string): Promise<RewardsUnderTest> {
    const url = new URL(template);
    const name = `rewards_${randomToken(8)}`;
    const client = new Client({ connectionString: new URL('/postgres', url).href });
    await client.connect();
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${url.pathname.slice(1)}`);
    await client.end();
    const database = connectDatabase(new URL(`/${name}`, url).href, { max: 8 });
    database.on('error', () => undefined);
    return new RewardsUnderTest(database);
  }

  /** A process that pays rewards, on its own pool of connections if one is given. */
  job(database: Pool = this.database): RewardJob {
    const ledger = new LedgerStore(database, Date.now);
    return new RewardJob({
      bus: { call: (method, request) => this.#answer(method, request) } as Pick<Bus, 'call'>,
      store: new RewardStore(database, ledger),
      promotions: new PromotionStore(database, ledger),
      payments: new RewardPayments(database, ledger),
      alerts: { raise: (_alert, subject) => void this.alerts.push(subject) },
      log: pino({ level: 'silent' }),
      everyMs: NEVER_MS,
      onPaid: () => undefined,
    });
  }

  async #answer(method: unknown, request: unknown): Promise<never> {
    if (method === services.routing.readyHours) {
      const { after = '' } = request as { after?: string };
      const machines = this.ready
        .filter(({ provider }) => provider > after)
        .toSorted((one, other) => (one.provider < other.provider ? -1 : 1))
        .slice(0, services.MAX_READY_MACHINES);
      return { machines } as never;
    }
    const { providers } = request as { providers: string[] };
    const machines = providers.flatMap((provider) => this.standings.get(provider) ?? []);
    return { machines } as never;
  }

  /** The policy from this day on, as if it had been set in time. */
  async policyFrom(day: string, policy: RewardPolicy | null): Promise<void> {
    await this.database.query(
      'INSERT INTO reward_policies (starts_on, policy, set_at) VALUES ($1, $2, $1::date - 2)',
      [day, policy === null ? null : JSON.stringify(policy)],
    );
  }

  /** Fills the fund with fees out of what customers have paid in. */
  async fill(amount: number): Promise<void> {
    const name = randomToken(8);
    await this.ledger.post({
      operation: `deposit:fees-${name}`,
      kind: 'deposit',
      digest: digestOf([name]),
      entries: [
        { account: 'platform:fees', kind: 'platform', amount },
        { account: 'external:stripe', kind: 'external', amount: -amount },
      ],
    });
    await this.policies.fund({ amountMicroUsd: amount, operation: name });
  }

  /** Links a machine that was ready on `DAY` and answered one request of another account. */
  async link(
    account: string,
    { hours = 3, isGift = false, tokens = 0, standing }: MachineChanges = {},
  ): Promise<string> {
    const provider = `A${randomToken(55)
      .toUpperCase()
      .replaceAll(/[0189]/g, 'Z')}`;
    this.ready.push({ provider, memoryMb: 64_000, hours: hoursOf(DAY, hours) });
    this.standings.set(provider, {
      provider,
      account,
      linkedAt: Date.parse(DAY) - 30 * DAY_MS,
      level: 'hardware',
      isExcluded: false,
      sharesComputer: false,
      ...standing,
    });
    await this.#answerRequest(provider, { owner: account, isGift, tokens });
    return provider;
  }

  /** Charges a request of a new customer, as the ledger does at the end of a job. */
  async #answerRequest(
    provider: string,
    { owner, isGift, tokens }: { owner: string; isGift: boolean; tokens: number },
  ): Promise<void> {
    const customer = `acct_${randomToken(12)}`;
    await this.ledger.post({
      operation: `deposit:${customer}`,
      kind: isGift ? 'credit' : 'deposit',
      digest: digestOf([customer]),
      entries: [
        { account: `consumer:${customer}`, kind: 'consumer', amount: PRICE },
        {
          account: isGift ? 'external:promotions' : 'external:stripe',
          kind: 'external',
          amount: -PRICE,
        },
      ],
    });
    const gift = isGift ? PRICE : 0;
    // As the ledger does at the end of a job, but on a day that is over.
    await this.database.query(
      `WITH owner AS (
         INSERT INTO ledger_accounts (id, kind, balance, earned, promotional) VALUES ('consumer:' || $3, 'consumer', $4::bigint, $4::bigint - $5::bigint, $5)
         ON CONFLICT (id) DO UPDATE SET balance = ledger_accounts.balance + excluded.balance,
           earned = ledger_accounts.earned + excluded.earned, promotional = ledger_accounts.promotional + excluded.promotional
       ), customer AS (
         UPDATE ledger_accounts SET balance = balance - $4, promotional = promotional - $5 WHERE id = 'consumer:' || $6
       ), key AS (
         INSERT INTO key_limits (key, account, day, day_used, week, week_used, month, month_used, total_used)
         VALUES ('key_' || $6, $6, $7, 0, $7, 0, $7, 0, $4)
       )
       INSERT INTO charges (job, outcome, account, key, model, provider, payee, price_version, held, prompt_tokens, cached_tokens,
         completion_tokens, charged, from_earned, from_promotional, provider_share, fee, referral, held_at, at)
       VALUES ($1, 'settled', $6, 'key_' || $6, 'sim-model', $2, 'consumer:' || $3, 1, $4, 1, 0, $8, $4, 0, $5, $4, 0, 0, $7::date, $7::date + interval '12 hours')`,
      [newJobId(), provider, owner, PRICE, gift, customer, DAY, tokens],
    );
  }

  async rows(): Promise<RewardRow[]> {
    const { rows } = await this.database.query<RewardRow>(
      `SELECT provider, amount::float8 AS amount, reasons, paid_at IS NOT NULL AS "isPaid" FROM machine_rewards ORDER BY day, provider`,
    );
    return rows;
  }

  async balanceOf(id: string): Promise<number> {
    const { rows } = await this.database.query<{ balance: number }>(
      'SELECT balance::float8 AS balance FROM ledger_accounts WHERE id = $1',
      [id],
    );
    return rows[0]?.balance ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.end();
  }
}

/** Full hours from the beginning of the day on. */
export const hoursOf = (day: string, hours: number) =>
  Array.from({ length: hours }, (_, hour) => ({
    at: Date.parse(day) + hour * HOUR_MS,
    servingMinutes: 10,
    idleMinutes: 50,
  }));
