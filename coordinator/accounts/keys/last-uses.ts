import type { Pool } from 'pg';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

/** Locks rows in the order of their ids, so that two coordinators cannot deadlock. */
const PUT = namedStatement('keys.put-last-uses')`
  WITH used AS (
    SELECT k.id, u.at FROM api_keys k
    JOIN unnest(${'keys'}::text[], ${'times'}::timestamptz[]) AS u(id, at) USING (id)
    ORDER BY k.id FOR UPDATE OF k
  )
  UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, used.at)
  FROM used WHERE k.id = used.id`;

/**
 * The time of the last use of each key. Uses are collected in memory and written together, so that
 * no request waits for a write. A crash loses the uses that were not written yet. The map has at
 * most one entry for each key that exists.
 */
export class LastUses {
  readonly #database: Pool;
  readonly #unwritten = new Map<string, number>();

  constructor(database: Pool) {
    this.#database = database;
  }

  note(key: string, at: number): void {
    this.#unwritten.set(key, at);
  }

  /** The last use in milliseconds since 1970, if it is not yet in the database. */
  unwritten(key: string): number | undefined {
    return this.#unwritten.get(key);
  }

  async write(): Promise<void> {
    const uses = [...this.#unwritten];
    if (uses.length === 0) return;
    await queryNamed(this.#database, PUT, {
      keys: uses.map(([key]) => key),
      times: uses.map(([, at]) => new Date(at)),
    });
    // A key that was used again while the statement ran keeps its later use for the next write.
    for (const [key, at] of uses) if (this.#unwritten.get(key) === at) this.#unwritten.delete(key);
  }
}
