import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import type { RewardPolicy, TrustLevel } from '#bus-schemas';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { digestOf } from '../core/digest.ts';
import { type DecidedReward, decideRewards, type RewardCandidate } from '../core/rewards.ts';
import { retried } from '../database-work.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import { DUE, FUND } from './reward-policies.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'put-hours',
  'figures',
  'put-decisions',
  'rows',
]);
export const rowsStatement = sql.rows;

/** Days that can still be decided after settlement was away. The hours are kept for one more. */
export const OPEN_DAYS = 7;
/** The key of the advisory lock under which a day is decided. The number is arbitrary. */
export const DECIDING = 4_711_003;

/**
 * The last day that is over for all machines. Routers write the minutes of a machine every five
 * minutes, so the last ones of a day arrive after midnight.
 */
const LAST_DAY = namedStatement<{ day: string }>('rewards.last-day')`
  SELECT to_char(utc_day(now() - interval '30 minutes') - 1, 'YYYY-MM-DD') AS day`;

const UNDECIDED = namedStatement<{ day: string; policy: RewardPolicy }>('rewards.undecided')`
  SELECT to_char(d, 'YYYY-MM-DD') AS day, p.policy
  FROM generate_series(${'through'}::date - ${'before'}::int, ${'through'}::date, interval '1 day') AS d
  CROSS JOIN LATERAL (
    SELECT policy FROM reward_policies WHERE starts_on <= d::date ORDER BY starts_on DESC LIMIT 1
  ) p
  WHERE p.policy IS NOT NULL AND NOT EXISTS (SELECT FROM reward_days r WHERE r.day = d::date)
  ORDER BY d`;

const IS_ON = namedStatement<{ isOn: boolean }>('rewards.is-on')`
  SELECT EXISTS (SELECT FROM reward_policies WHERE policy IS NOT NULL)
    OR EXISTS (SELECT FROM token_promotions) AS "isOn"`;

const DELETE_HOURS = namedStatement('rewards.delete-hours')`
  DELETE FROM reward_hours WHERE hour < now() - interval '9 days'`;

export const LOCK = namedStatement('rewards.lock')`SELECT pg_advisory_xact_lock(${'key'})`;

const IS_DECIDED = namedStatement<{ day: Date }>('rewards.is-decided')`
  SELECT day FROM reward_days WHERE day = ${'day'}`;

export const LOCK_FUND = namedStatement<{ balance: number }>('rewards.lock-fund')`
  SELECT balance::float8 AS balance FROM ledger_accounts WHERE id = ${'fund'} FOR UPDATE`;

const PUT_DAY = namedStatement('rewards.put-day')`
  INSERT INTO reward_days (day, policy, machines, rewarded, amount)
  VALUES (${'day'}, ${'policy'}, ${'machines'}, ${'rewarded'}, ${'amount'})`;

/** What a machine did in an hour, with the trust that it has when this is collected. */
export interface CollectedHour {
  readonly provider: string;
  readonly at: number;
  readonly serving: number;
  readonly idle: number;
  readonly level: TrustLevel;
  readonly memoryMb?: number;
}

export type MachineFigures = Omit<
  RewardCandidate,
  'account' | 'ageDays' | 'isExcluded' | 'sharesComputer'
>;

/** Stores what machines did, decides their rewards, and pays them: each in one transaction. */
export class RewardStore {
  readonly #database: Pool;
  readonly #ledger: LedgerStore;

  constructor(database: Pool, ledger: LedgerStore) {
    this.#database = database;
    this.#ledger = ledger;
  }

  /** Whether there ever was a policy or promotion that pays. */
  async isOn(): Promise<boolean> {
    return (await queryNamed(this.#database, IS_ON, {}))[0]?.isOn === true;
  }

  async collect(hours: readonly CollectedHour[]): Promise<void> {
    if (hours.length === 0) return;
    await retried(() => query(this.#database, sql['put-hours'], [JSON.stringify(hours)]));
  }

  async deleteOldHours(): Promise<void> {
    await queryNamed(this.#database, DELETE_HOURS, {});
  }

  async lastDay(): Promise<string> {
    return (await queryNamed(this.#database, LAST_DAY, {}))[0]?.day ?? '';
  }

  /** The days up to this one that have a policy and no decision, oldest first. */
  undecided(through: string): Promise<{ day: string; policy: RewardPolicy }[]> {
    return queryNamed(this.#database, UNDECIDED, { through, before: OPEN_DAYS - 1 });
  }

  async figures(day: string, policy: RewardPolicy): Promise<MachineFigures[]> {
    const rows = await query<Omit<MachineFigures, 'memoryMb'> & { memoryMb: number | null }>(
      this.#database,
      sql.figures,
      [day, policy.models ?? null],
    );
    return rows.map(({ memoryMb, ...row }) => ({ ...row, memoryMb: memoryMb ?? undefined }));
  }

  /**
   * Decides a day once: sets the money aside and stores a row for each machine. Returns undefined
   * if another process has decided it.
   */
  decide(
    day: string,
    policy: RewardPolicy,
    candidates: readonly RewardCandidate[],
  ): Promise<{ rewarded: number; amount: number } | undefined> {
    return retried(() =>
      transaction(this.#database, async (client) => {
        await queryNamed(client, LOCK, { key: DECIDING });
        if ((await queryNamed(client, IS_DECIDED, { day })).length > 0) return undefined;
        const [fund] = await queryNamed(client, LOCK_FUND, { fund: FUND });
        const decided = decideRewards({
          day,
          policy,
          candidates,
          fundMicroUsd: fund?.balance ?? 0,
        });
        return this.#putDay(client, { day, policy, decided });
      }),
    );
  }

  async #putDay(
    client: ClientBase,
    {
      day,
      policy,
      decided,
    }: { day: string; policy: RewardPolicy; decided: readonly DecidedReward[] },
  ): Promise<{ rewarded: number; amount: number }> {
    const rewarded = decided.filter(({ amount }) => amount > 0).length;
    const amount = decided.reduce((sum, reward) => sum + reward.amount, 0);
    await queryNamed(client, PUT_DAY, {
      day,
      policy: JSON.stringify(policy),
      machines: decided.length,
      rewarded,
      amount,
    });
    await query(client, sql['put-decisions'], [day, JSON.stringify(decided.map(storedForm))]);
    if (amount > 0)
      await this.#ledger.post(
        {
          operation: `reward-day:${day}`,
          kind: 'reward_day',
          digest: digestOf([day, amount]),
          entries: [
            { account: DUE, kind: 'platform', amount },
            { account: FUND, kind: 'platform', amount: -amount },
          ],
        },
        client,
      );
    return { rewarded, amount };
  }
}

const storedForm = ({ candidate, amount, reasons }: DecidedReward) => ({
  provider: candidate.provider,
  account: candidate.account ?? null,
  amount,
  reasons,
  ready: candidate.readyMinutes,
  serving: candidate.servingMinutes,
  requests: candidate.requests,
});
