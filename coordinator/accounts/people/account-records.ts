import type { Pool } from 'pg';
import {
  AccountChanged,
  type AccountRecord,
  events,
  MAX_FOUND_ACCOUNTS,
  type RateLimits,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { query, type Statement } from '#coordinator/sql.ts';
import { LIMIT_COLUMNS, limitsIn, limitValuesIn } from '../limits/limit-columns.ts';

interface AccountRecordsOptions {
  readonly bus: Pick<Bus, 'emit'>;
  readonly database: Pool;
  readonly now: () => number;
}

/**
 * The accounts as operators see them: found by e-mail address, suspended, and limited. Every change
 * is published after it is stored, so that receivers that ask again get the new state.
 */
export class AccountRecords {
  readonly #options: AccountRecordsOptions;

  constructor(options: AccountRecordsOptions) {
    this.#options = options;
  }

  /** Returns at most 50 accounts, ordered by their addresses. */
  async find({ email, isPrefix }: { email: string; isPrefix: boolean }): Promise<AccountRecord[]> {
    const pattern = isPrefix ? `${escapedForLike(email)}%` : escapedForLike(email);
    return this.#read(FIND, [pattern, MAX_FOUND_ACCOUNTS]);
  }

  async one(account: string): Promise<AccountRecord | undefined> {
    return (await this.#read(ONE, [account]))[0];
  }

  /** A repeated suspension changes only the reason. */
  suspend(account: string, reason: string): Promise<AccountRecord | undefined> {
    return this.#change(account, SUSPEND, [account, reason]);
  }

  resume(account: string): Promise<AccountRecord | undefined> {
    return this.#change(account, RESUME, [account]);
  }

  setLimits(account: string, limits: RateLimits): Promise<AccountRecord | undefined> {
    return this.#change(account, SET_LIMITS, [account, limits]);
  }

  /** Returns the ids of suspended accounts after `after`, in their order. */
  async suspended(after: string, limit: number): Promise<string[]> {
    const rows = await query<{ id: string }>(this.#options.database, SUSPENDED, [after, limit]);
    return rows.map(({ id }) => id);
  }

  async #change(
    account: string,
    statement: Statement,
    values: readonly unknown[],
  ): Promise<AccountRecord | undefined> {
    const { bus, database, now } = this.#options;
    await query(database, statement, values);
    const record = await this.one(account);
    if (record === undefined) return undefined;
    const changed = { account, at: now(), isSuspended: record.suspended !== undefined };
    bus.emit(
      events.accountsAccountChanged,
      AccountChanged,
      changed,
      `account-changed:${account}:${changed.at}`,
    );
    return record;
  }

  async #read(statement: Statement, values: readonly unknown[]): Promise<AccountRecord[]> {
    return (await query<Row>(this.#options.database, statement, values)).map(recordOf);
  }
}

const COLUMNS = `a.id AS account, a.name, u.email, a.created_at AS "createdAt", a.suspended_at AS "suspendedAt",
  a.suspended_reason AS "suspendedReason", ${limitsIn('a')} AS limits`;

const FIND: Statement = {
  name: 'accounts.find',
  text: `SELECT ${COLUMNS} FROM users u JOIN accounts a ON a.id = u.account
    WHERE lower(u.email) LIKE lower($1) ORDER BY lower(u.email), a.id LIMIT $2`,
};
const ONE: Statement = {
  name: 'accounts.one',
  text: `SELECT ${COLUMNS} FROM accounts a LEFT JOIN users u ON u.account = a.id
    WHERE a.id = $1 ORDER BY u.created_at LIMIT 1`,
};
const SUSPEND: Statement = {
  name: 'accounts.suspend',
  text: `UPDATE accounts SET suspended_at = coalesce(suspended_at, now()), suspended_reason = $2 WHERE id = $1`,
};
const RESUME: Statement = {
  name: 'accounts.resume',
  text: `UPDATE accounts SET suspended_at = NULL, suspended_reason = NULL WHERE id = $1`,
};
const SET_LIMITS: Statement = {
  name: 'accounts.set-limits',
  text: `UPDATE accounts SET (${LIMIT_COLUMNS}) = ROW(${limitValuesIn('$2')}) WHERE id = $1`,
};
const SUSPENDED: Statement = {
  name: 'accounts.suspended',
  text: `SELECT id FROM accounts WHERE suspended_at IS NOT NULL AND id > $1 ORDER BY id LIMIT $2`,
};

interface Row {
  readonly account: string;
  readonly name: string;
  readonly email: string | null;
  readonly createdAt: Date;
  readonly suspendedAt: Date | null;
  readonly suspendedReason: string | null;
  readonly limits: RateLimits;
}

function recordOf({ account, name, email, createdAt, ...row }: Row): AccountRecord {
  return {
    account,
    name,
    createdAt: createdAt.getTime(),
    limits: row.limits,
    ...(email !== null && { email }),
    ...(row.suspendedAt !== null && {
      suspended: { at: row.suspendedAt.getTime(), reason: row.suspendedReason ?? '' },
    }),
  };
}

/** Makes `%` and `_` ordinary characters. */
const escapedForLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
