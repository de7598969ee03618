import { join } from 'node:path';
import type { Pool } from 'pg';
import { MAX_PROMOTIONS, type MessageOf, type services, type TokenPromotion } from '#bus-schemas';
import { isDuplicate, loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { digestOf } from '../core/digest.ts';
import {
  type DecidedPromotion,
  decidePromotion,
  type PromotedMachine,
} from '../core/promotions.ts';
import { isRowsFault, retried } from '../database-work.ts';
import type { LedgerStore } from '../ledger/ledger-store.ts';
import { DUE, FUND } from './reward-policies.ts';
import { DECIDING, LOCK, LOCK_FUND, OPEN_DAYS } from './reward-store.ts';

type Methods = typeof services.settlement;

const sql = loadStatements(join(import.meta.dirname, 'promotions'), ['put-promoted', 'answers']);

/** All days are those of the database's clock, which the processes share. */
const ADD = namedStatement('promotions.add')`
  INSERT INTO token_promotions (name, terms, starts_on, ends_on)
  VALUES (${'name'}, ${'terms'}, ${'startsOn'}, ${'endsOn'})`;
const REMOVE = namedStatement<{ name: string }>('promotions.remove')`
  DELETE FROM token_promotions WHERE name = ${'name'} AND starts_on > utc_day(now()) RETURNING name`;
const END = namedStatement<{ name: string }>('promotions.end')`
  UPDATE token_promotions SET ends_on = least(ends_on, utc_day(now()))
  WHERE name = ${'name'} AND ends_on >= utc_day(now()) RETURNING name`;
const LIST = namedStatement<{ terms: TokenPromotion; endsOn: string; spent: number }>(
  'promotions.list',
)`
  SELECT terms, to_char(ends_on, 'YYYY-MM-DD') AS "endsOn", coalesce(
    (SELECT sum(amount) FROM promotion_days d WHERE d.promotion = p.name), 0)::float8 AS spent
  FROM token_promotions p WHERE ends_on >= utc_day(now()) - ${'days'}::int
  ORDER BY starts_on, name LIMIT ${'limit'}`;
const COUNT = namedStatement<{ open: number }>('promotions.count')`
  SELECT count(*)::int AS open FROM token_promotions WHERE ends_on >= utc_day(now())`;

const UNDECIDED = namedStatement<{ day: string; terms: TokenPromotion }>('promotions.undecided')`
  SELECT to_char(d, 'YYYY-MM-DD') AS day, p.terms
  FROM generate_series(${'through'}::date - ${'before'}::int, ${'through'}::date, interval '1 day') AS d
  JOIN token_promotions p ON d::date BETWEEN p.starts_on AND p.ends_on
  WHERE NOT EXISTS (SELECT FROM promotion_days k WHERE k.promotion = p.name AND k.day = d::date)
  ORDER BY d, p.name`;
const IS_DECIDED = namedStatement<{ day: Date }>('promotions.is-decided')`
  SELECT day FROM promotion_days WHERE promotion = ${'name'} AND day = ${'day'}`;
const SPENT = namedStatement<{ spent: number }>('promotions.spent')`
  SELECT coalesce(sum(amount), 0)::float8 AS spent FROM promotion_days WHERE promotion = ${'name'}`;
const PUT_DAY = namedStatement('promotions.put-day')`
  INSERT INTO promotion_days (promotion, day, machines, amount)
  VALUES (${'name'}, ${'day'}, ${'machines'}, ${'amount'})`;

/** Check of the table: a promotion begins tomorrow at the earliest. */
const BEGUN = 'starts_later';

interface AnswerRow {
  readonly provider: string;
  readonly customer: string;
  readonly requests: number;
  readonly tokens: number;
}

/** Promotions that pay for answer tokens: their terms, and the decisions about their days. */
export class PromotionStore {
  readonly #database: Pool;
  readonly #ledger: LedgerStore;

  constructor(database: Pool, ledger: LedgerStore) {
    this.#database = database;
    this.#ledger = ledger;
  }

  async add(terms: TokenPromotion): Promise<MessageOf<Methods['addPromotion']['reply']>> {
    const [counted] = await queryNamed(this.#database, COUNT, {});
    if ((counted?.open ?? 0) >= MAX_PROMOTIONS) return { ok: false, code: 'too_many' };
    try {
      const { promotion: name, startsOn, endsOn } = terms;
      await queryNamed(this.#database, ADD, {
        name,
        terms: JSON.stringify(terms),
        startsOn,
        endsOn,
      });
      return { ok: true };
    } catch (error) {
      if (isDuplicate(error)) return { ok: false, code: 'taken' };
      const { constraint } = error as { readonly constraint?: string };
      if (constraint === BEGUN) return { ok: false, code: 'begun' };
      if (isRowsFault(error)) return { ok: false, code: 'wrong_days' };
      throw error;
    }
  }

  /** Ends a promotion today, or removes it if it has not begun. */
  async end(name: string): Promise<{ known: boolean }> {
    const removed = await queryNamed(this.#database, REMOVE, { name });
    if (removed.length > 0) return { known: true };
    return { known: (await queryNamed(this.#database, END, { name })).length > 0 };
  }

  async list(): Promise<MessageOf<Methods['promotions']['reply']>> {
    const rows = await queryNamed(this.#database, LIST, { days: 0, limit: MAX_PROMOTIONS });
    return {
      promotions: rows.map(({ terms, endsOn, spent }) => ({
        promotion: { ...terms, endsOn },
        spentMicroUsd: spent,
      })),
    };
  }

  /** The days up to this one that belong to a promotion and are not decided, oldest first. */
  async undecided(through: string): Promise<{ day: string; promotion: TokenPromotion }[]> {
    const rows = await queryNamed(this.#database, UNDECIDED, { through, before: OPEN_DAYS - 1 });
    return rows.map(({ day, terms }) => ({ day, promotion: terms }));
  }

  answers(day: string, { models }: TokenPromotion): Promise<AnswerRow[]> {
    return query<AnswerRow>(this.#database, sql.answers, [day, models]);
  }

  /** Decides a day of a promotion once. Undefined if another process has decided it. */
  decide(
    day: string,
    promotion: TokenPromotion,
    machines: readonly PromotedMachine[],
  ): Promise<number | undefined> {
    const name = promotion.promotion;
    return retried(() =>
      transaction(this.#database, async (client) => {
        await queryNamed(client, LOCK, { key: DECIDING });
        if ((await queryNamed(client, IS_DECIDED, { name, day })).length > 0) return undefined;
        const [fund] = await queryNamed(client, LOCK_FUND, { fund: FUND });
        const [spent] = await queryNamed(client, SPENT, { name });
        const decided = decidePromotion({
          day,
          promotion,
          machines,
          spentMicroUsd: spent?.spent ?? 0,
          fundMicroUsd: fund?.balance ?? 0,
        });
        const amount = decided.reduce((sum, row) => sum + row.amount, 0);
        await queryNamed(client, PUT_DAY, { name, day, machines: decided.length, amount });
        await query(client, sql['put-promoted'], [
          name,
          day,
          JSON.stringify(decided.map(storedForm)),
        ]);
        if (amount > 0)
          await this.#ledger.post(
            {
              operation: `promotion-day:${name}:${day}`,
              kind: 'reward_day',
              digest: digestOf([name, day, amount]),
              entries: [
                { account: DUE, kind: 'platform', amount },
                { account: FUND, kind: 'platform', amount: -amount },
              ],
            },
            client,
          );
        return amount;
      }),
    );
  }
}

const storedForm = ({ machine, tokens, requests, amount, reasons }: DecidedPromotion) => ({
  provider: machine.provider,
  account: machine.account ?? null,
  tokens,
  amount,
  reasons,
  requests,
});
