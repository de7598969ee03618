import type { Pool } from 'pg';
import { query, type Statement } from '#coordinator/sql.ts';

/** Cap and spending of an account in the UTC day, in micro-dollars. */
export interface AccountSpending {
  readonly dayMicroUsd?: number;
  readonly usedMicroUsd: number;
}

const PUT: Statement = {
  name: 'ledger.put-account-cap',
  text: `INSERT INTO account_caps (account, day_cap) VALUES ($1, $2)
    ON CONFLICT (account) DO UPDATE SET day_cap = excluded.day_cap`,
};
const DROP: Statement = {
  name: 'ledger.drop-account-cap',
  text: 'DELETE FROM account_caps WHERE account = $1',
};
const SPENDING: Statement = {
  name: 'ledger.account-spending',
  text: `SELECT (SELECT day_cap FROM account_caps WHERE account = $1) AS cap,
    (SELECT coalesce(sum(day_used), 0) FROM key_limits WHERE account = $1 AND day = utc_day(now())) AS used`,
};

/**
 * How much an account may spend in a UTC day over all its keys. The hold of a job is refused if it
 * would exceed the cap (`ledger_hold` in the migrations).
 */
export class AccountCaps {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  /** Without `dayMicroUsd` the account has no cap any more. */
  async put(account: string, dayMicroUsd: number | undefined): Promise<AccountSpending> {
    if (dayMicroUsd === undefined) await query(this.#database, DROP, [account]);
    else await query(this.#database, PUT, [account, dayMicroUsd]);
    return this.spending(account);
  }

  async spending(account: string): Promise<AccountSpending> {
    type Row = { cap: string | null; used: string };
    const [row] = await query<Row>(this.#database, SPENDING, [account]);
    const cap = row?.cap ?? null;
    return {
      usedMicroUsd: Number(row?.used ?? 0),
      ...(cap !== null && { dayMicroUsd: Number(cap) }),
    };
  }
}
