import { join } from 'node:path';
import type { Pool } from 'pg';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'add',
  'by-hash',
  'list',
  'list-audit',
  'revoke',
  'write-audit',
]);

interface Audit {
  readonly id: string;
  readonly operator: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
  readonly outcome: string;
}

/** The operators of the network, and the audit log of all changes. */
export class Operators {
  readonly #database: Pool;
  readonly #now: () => number;

  constructor(database: Pool, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  async create(name: string, keyHash: Uint8Array): Promise<boolean> {
    return (await query(this.#database, sql.add, [name, Buffer.from(keyHash)])).length > 0;
  }

  /** Returns false if no operator of this name has a key that is not revoked. */
  async revoke(name: string): Promise<boolean> {
    return (await query(this.#database, sql.revoke, [name])).length > 0;
  }

  async list(): Promise<{ name: string; createdAt: number; revokedAt?: number }[]> {
    const rows = await query<{ name: string; createdAt: Date; revokedAt: Date | null }>(
      this.#database,
      sql.list,
    );
    return rows.map(({ name, createdAt, revokedAt }) => ({
      name,
      createdAt: createdAt.getTime(),
      ...(revokedAt && { revokedAt: revokedAt.getTime() }),
    }));
  }

  async byHash(keyHash: Uint8Array): Promise<string | undefined> {
    const [row] = await query<{ name: string }>(this.#database, sql['by-hash'], [
      Buffer.from(keyHash),
    ]);
    return row?.name;
  }

  async audit({ id, operator, action, subject, detail, outcome }: Audit): Promise<void> {
    await query(this.#database, sql['write-audit'], [
      id,
      operator,
      action,
      subject,
      detail,
      outcome,
    ]);
  }

  async changes({
    before,
    limit,
    operator,
  }: {
    before?: number;
    limit: number;
    operator?: string;
  }): Promise<(Audit & { at: number })[]> {
    const rows = await query<Audit & { at: Date }>(this.#database, sql['list-audit'], [
      new Date(before ?? this.#now() + 1),
      limit,
      operator ?? null,
    ]);
    return rows.map(({ at, ...row }) => ({ ...row, at: at.getTime() }));
  }
}
