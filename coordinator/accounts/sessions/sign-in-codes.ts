import type { Pool } from 'pg';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const ADD = namedStatement<{ one: number }>('sign-in-codes.add')`
  INSERT INTO sign_in_codes (hash, account, user_id, expires_at)
  SELECT ${'hash'}, a.id, ${'user'}, ${'expiresAt'} FROM accounts a WHERE a.id = ${'account'}
  RETURNING 1 AS one`;

/** One statement, so that only one of two simultaneous calls uses the code. */
const REDEEM = namedStatement<CodeRow>('sign-in-codes.redeem')`
  WITH before AS (
    SELECT account, user_id, used_at, expires_at FROM sign_in_codes
    WHERE hash = ${'hash'} FOR UPDATE
  ), after AS (
    UPDATE sign_in_codes SET used_at = ${'now'}
    WHERE hash = ${'hash'} AND used_at IS NULL AND expires_at > ${'now'}
  )
  SELECT account, user_id AS user, used_at IS NOT NULL AS "isUsed",
    expires_at <= ${'now'} AS "isExpired"
  FROM before`;

const DELETE_OLD = namedStatement('sign-in-codes.delete-old')`
  DELETE FROM sign_in_codes WHERE expires_at < ${'now'}::timestamptz - interval '1 day'`;

interface CodeRow {
  readonly account: string;
  readonly user: string | null;
  readonly isUsed: boolean;
  readonly isExpired: boolean;
}

/** Codes that sign their owner in once. They are created by programs with the network's keys. */
export class SignInCodes {
  readonly #database: Pool;
  readonly #now: () => number;

  constructor(database: Pool, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  /** Returns false if there is no such account. */
  async create({
    codeHash,
    account,
    user,
    expiresAt,
  }: {
    codeHash: Uint8Array;
    account: string;
    user?: string | undefined;
    expiresAt: number;
  }): Promise<boolean> {
    const added = await queryNamed(this.#database, ADD, {
      hash: Buffer.from(codeHash),
      account,
      user: user ?? null,
      expiresAt: new Date(expiresAt),
    });
    return added.length > 0;
  }

  /** Uses the code. A code that was used before still names its owner. */
  async redeem(codeHash: Uint8Array): Promise<CodeRow | undefined> {
    const [row] = await queryNamed(this.#database, REDEEM, {
      hash: Buffer.from(codeHash),
      now: new Date(this.#now()),
    });
    return row;
  }

  async deleteOld(): Promise<void> {
    await queryNamed(this.#database, DELETE_OLD, { now: new Date(this.#now()) });
  }
}
