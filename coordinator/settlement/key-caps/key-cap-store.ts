import { join } from 'node:path';
import type { Pool } from 'pg';
import {
  byName,
  definedByName,
  type KeyCaps,
  type KeySpending,
  SPENDING_WINDOWS,
  type SpendingWindow,
} from '#bus-schemas';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { retried } from '../database-work.ts';
import { lockAccount } from '../ledger/ledger-store.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['key-spending', 'put-key-caps']);

/** The spending limits of API keys, and what each key has spent in their windows. */
export class KeyCapStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  /**
   * Returns the caps of keys and their spending in each window, the last used keys first. Keys that
   * were never used are left out.
   */
  async spending(account: string, key: string | undefined): Promise<KeySpending[]> {
    return (
      await query<KeySpendingRow>(this.#database, sql['key-spending'], [account, key ?? null])
    ).map(asKeySpending);
  }

  async put(key: string, account: string, caps: KeyCaps): Promise<Record<SpendingWindow, number>> {
    type Row = Record<SpendingWindow, string>;
    const values = [key, account, ...SPENDING_WINDOWS.map((window) => caps[window] ?? null)];
    const [row] = await retried(() =>
      transaction(this.#database, async (client) => {
        await lockAccount(client, account);
        return query<Row>(client, sql['put-key-caps'], values);
      }),
    );
    return byName(SPENDING_WINDOWS, (window) => Number(row?.[window]));
  }
}

type KeySpendingRow = { readonly key: string } & Readonly<Record<SpendingWindow, string>> &
  Readonly<Record<`${SpendingWindow}Cap`, string | null>>;

function asKeySpending(row: KeySpendingRow): KeySpending {
  return {
    key: row.key,
    caps: definedByName(SPENDING_WINDOWS, (window) => {
      const cap = row[`${window}Cap`];
      return cap === null ? undefined : Number(cap);
    }),
    used: byName(SPENDING_WINDOWS, (window) => Number(row[window])),
  };
}
