import type { Pool } from 'pg';
import { MAX_REWARD_DAYS, type MessageOf, type RewardPolicy, type services } from '#bus-schemas';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { digestOf } from '../core/digest.ts';
import { InsufficientFundsError, type LedgerStore } from '../ledger/ledger-store.ts';

type Methods = typeof services.settlement;

/** Account of the ledger with the money for further days. */
export const FUND = 'platform:rewards';
/** Account of the ledger with the money of rewards that were decided and are not paid yet. */
export const DUE = 'platform:rewards-due';

/** All days are those of the database's clock, which the processes share. */
const SET_POLICY = namedStatement<{ startsOn: string }>('rewards.set-policy')`
  INSERT INTO reward_policies (starts_on, policy) VALUES (utc_day(now()) + 1, ${'policy'})
  ON CONFLICT (starts_on) DO UPDATE SET policy = excluded.policy, set_at = now()
  RETURNING to_char(starts_on, 'YYYY-MM-DD') AS "startsOn"`;

const POLICIES = namedStatement<{ startsOn: string; isNext: boolean; policy: RewardPolicy | null }>(
  'rewards.policies',
)`
  SELECT to_char(starts_on, 'YYYY-MM-DD') AS "startsOn", starts_on > utc_day(now()) AS "isNext", policy
  FROM reward_policies WHERE starts_on >= coalesce(
    (SELECT max(starts_on) FROM reward_policies WHERE starts_on <= utc_day(now())), '-infinity')
  ORDER BY starts_on`;

const ACCOUNTS = namedStatement<{ id: string; balance: number }>('rewards.accounts')`
  SELECT id, balance::float8 AS balance FROM ledger_accounts WHERE id = ANY(${'ids'})`;

const DAYS = namedStatement<{ day: string; machines: number; rewarded: number; amount: number }>(
  'rewards.days',
)`
  SELECT to_char(day, 'YYYY-MM-DD') AS day, machines, rewarded, amount::float8 AS amount
  FROM reward_days ORDER BY reward_days.day DESC LIMIT ${'limit'}`;

export interface RewardPoliciesOptions {
  readonly database: Pool;
  readonly ledger: LedgerStore;
  readonly onPosted: () => void;
}

/** The conditions of base rewards and the fund that pays them, for operators and owners. */
export class RewardPolicies {
  readonly #options: RewardPoliciesOptions;

  constructor(options: RewardPoliciesOptions) {
    this.#options = options;
  }

  async set({
    policy,
  }: MessageOf<Methods['setRewardPolicy']['request']>): Promise<{ startsOn: string }> {
    const [row] = await queryNamed(this.#options.database, SET_POLICY, {
      policy: policy === undefined ? null : JSON.stringify(policy),
    });
    return { startsOn: row?.startsOn ?? '' };
  }

  async read(): Promise<MessageOf<Methods['rewardPolicy']['reply']>> {
    const { database } = this.#options;
    const [policies, balances, days] = await Promise.all([
      queryNamed(database, POLICIES, {}),
      queryNamed(database, ACCOUNTS, { ids: [FUND, DUE] }),
      queryNamed(database, DAYS, { limit: MAX_REWARD_DAYS }),
    ]);
    const current = policies.find(({ isNext }) => !isNext)?.policy ?? undefined;
    const next = policies.find(({ isNext }) => isNext);
    const balance = (account: string) => balances.find(({ id }) => id === account)?.balance ?? 0;
    return {
      fundMicroUsd: balance(FUND),
      dueMicroUsd: balance(DUE),
      days: days.map(({ amount, ...day }) => ({ ...day, amountMicroUsd: amount })),
      ...(current !== undefined && { policy: current }),
      ...(next && {
        next: { startsOn: next.startsOn, ...(next.policy !== null && { policy: next.policy }) },
      }),
    };
  }

  /**
   * Moves fees into the fund, without their promotional part: otherwise rewards would turn
   * promotional credit into money.
   */
  async fund({
    amountMicroUsd: amount,
    operation,
  }: MessageOf<Methods['fundRewards']['request']>): Promise<
    MessageOf<Methods['fundRewards']['reply']>
  > {
    const { database, ledger, onPosted } = this.#options;
    try {
      const isPosted = await ledger.post({
        operation: `reward-fund:${operation}`,
        kind: 'reward_fund',
        digest: digestOf([amount]),
        entries: [
          { account: FUND, kind: 'platform', amount },
          { account: 'platform:fees', kind: 'platform', amount: -amount },
        ],
      });
      if (!isPosted) return { ok: false, code: 'operation_conflict' };
    } catch (error) {
      if (error instanceof InsufficientFundsError) return { ok: false, code: 'insufficient_funds' };
      throw error;
    }
    onPosted();
    const [fund] = await queryNamed(database, ACCOUNTS, { ids: [FUND] });
    return { ok: true, fundMicroUsd: fund?.balance ?? 0 };
  }
}
