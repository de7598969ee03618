import type { Pool } from 'pg';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { digestOf } from '../core/digest.ts';
import { retried } from '../database-work.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import { DUE } from './reward-policies.ts';

/** A base reward, or the payment of a promotion, that is decided and not paid. */
export interface DuePayment {
  readonly day: string;
  readonly provider: string;
  /** Empty for a base reward. */
  readonly promotion: string;
}

const ALL_DUE = namedStatement<DuePayment & Record<string, unknown>>('rewards.all-due')`
  SELECT to_char(day, 'YYYY-MM-DD') AS day, provider, promotion FROM (
    (SELECT day, provider, '' AS promotion FROM machine_rewards
      WHERE amount > 0 AND paid_at IS NULL ORDER BY day, provider LIMIT ${'limit'})
    UNION ALL
    (SELECT day, provider, promotion FROM machine_promotions
      WHERE amount > 0 AND paid_at IS NULL ORDER BY day, provider, promotion LIMIT ${'limit'})
  ) due`;

interface Locked {
  readonly account: string;
  readonly amount: number;
  readonly note: string;
}
/** Another process that pays this one has the lock; a paid one is not due any more. */
const LOCK_REWARD = namedStatement<Locked & Record<string, unknown>>('rewards.lock-due')`
  SELECT account, amount::float8 AS amount,
    'For ' || to_char(day, 'YYYY-MM-DD') || ': ' || ready / 60 || ' h ' || ready % 60 || ' min ready, ' || requests || ' requests.' AS note
  FROM machine_rewards
  WHERE day = ${'day'} AND provider = ${'provider'} AND amount > 0 AND paid_at IS NULL
  FOR UPDATE SKIP LOCKED`;
const LOCK_PROMOTION = namedStatement<Locked & Record<string, unknown>>('promotions.lock-due')`
  SELECT account, amount::float8 AS amount,
    promotion || ', for ' || to_char(day, 'YYYY-MM-DD') || ': ' || tokens || ' tokens.' AS note
  FROM machine_promotions
  WHERE day = ${'day'} AND provider = ${'provider'} AND promotion = ${'promotion'} AND amount > 0 AND paid_at IS NULL
  FOR UPDATE SKIP LOCKED`;

/** Rewards mature as earnings do, because a machine that cheats can be caught days later. */
const ADD_EARNING = namedStatement('rewards.add-earning')`
  INSERT INTO earnings AS t (account, source, hour, jobs, prompt_tokens, completion_tokens, amount)
  VALUES ('consumer:' || ${'account'}, 'rewards', date_trunc('hour', now()), 0, 0, 0, ${'amount'})
  ON CONFLICT (account, source, hour) DO UPDATE SET amount = t.amount + excluded.amount`;

const SET_REWARD_PAID = namedStatement('rewards.set-paid')`
  UPDATE machine_rewards SET paid_at = now() WHERE day = ${'day'} AND provider = ${'provider'}`;
const SET_PROMOTION_PAID = namedStatement('promotions.set-paid')`
  UPDATE machine_promotions SET paid_at = now()
  WHERE day = ${'day'} AND provider = ${'provider'} AND promotion = ${'promotion'}`;

/** Pays what was decided, each machine in one transaction. */
export class RewardPayments {
  readonly #database: Pool;
  readonly #ledger: LedgerStore;

  constructor(database: Pool, ledger: LedgerStore) {
    this.#database = database;
    this.#ledger = ledger;
  }

  due(limit: number): Promise<DuePayment[]> {
    return queryNamed(this.#database, ALL_DUE, { limit });
  }

  /**
   * Pays one reward, unless it was paid or another process pays it now. Returns false if the ledger
   * has another payment under the same name, which is a conflict.
   */
  pay(due: DuePayment): Promise<boolean> {
    const isPromotion = due.promotion !== '';
    return retried(() =>
      transaction(this.#database, async (client) => {
        const values = { ...due };
        const [locked] = await queryNamed(
          client,
          isPromotion ? LOCK_PROMOTION : LOCK_REWARD,
          values,
        );
        if (locked === undefined) return true;
        const { account, amount, note } = locked;
        const isPosted = await this.#ledger.post(
          {
            operation: operationOf(due),
            kind: isPromotion ? 'promotion' : 'base_reward',
            digest: digestOf([account, amount]),
            entries: [
              { account: `consumer:${account}`, kind: 'consumer', amount, earned: amount },
              { account: DUE, kind: 'platform', amount: -amount },
            ],
            note,
          },
          client,
        );
        if (!isPosted) return false;
        await queryNamed(client, ADD_EARNING, { account, amount });
        await queryNamed(client, isPromotion ? SET_PROMOTION_PAID : SET_REWARD_PAID, values);
        return true;
      }),
    );
  }
}

/** The name of the payment in the ledger. `dinf ledger verify` looks for it. */
export const operationOf = ({ day, provider, promotion }: DuePayment): string =>
  promotion === '' ? `base-reward:${day}:${provider}` : `promotion:${promotion}:${day}:${provider}`;
