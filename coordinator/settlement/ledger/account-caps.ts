import type { Pool } from 'pg';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

/** Cap and spending of an account in the UTC day, in micro-dollars. */
export interface AccountSpending {
  readonly dayMicroUsd?: number;
  readonly usedMicroUsd: number;
}

const PUT = namedStatement('ledger.put-account-cap')`
  INSERT INTO account_caps (account, day_cap) VALUES (${'account'}, ${'dayMicroUsd'})
  ON CONFLICT (account) DO UPDATE SET day_cap = excluded.day_cap`;

const DROP = namedStatement('ledger.drop-account-cap')`
  DELETE FROM account_caps WHERE account = ${'account'}`;

const SPENDING = namedStatement<{ cap: string | null; used: string }>('ledger.account-spending')`
  SELECT (SELECT day_cap FROM account_caps WHERE account = ${'account'}) AS cap,
    (SELECT coalesce(sum(day_used), 0) FROM key_limits
      WHERE account = ${'account'} AND day = utc_day(now())) AS used`;

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
    if (dayMicroUsd === undefined) await queryNamed(this.#database, DROP, { account });
    else await queryNamed(this.#database, PUT, { account, dayMicroUsd });
    return this.spending(account);
  }

  async spending(account: string): Promise<AccountSpending> {
    const [row] = await queryNamed(this.#database, SPENDING, { account });
    const cap = row?.cap ?? null;
    return {
      usedMicroUsd: Number(row?.used ?? 0),
      ...(cap !== null && { dayMicroUsd: Number(cap) }),
    };
  }
}
