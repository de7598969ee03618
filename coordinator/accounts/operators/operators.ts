import type { Pool } from 'pg';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const ADD = namedStatement('operators.add')`
  INSERT INTO operators (name, key_hash) VALUES (${'name'}, ${'keyHash'}) ON CONFLICT DO NOTHING
  RETURNING name`;

const REVOKE = namedStatement('operators.revoke')`
  UPDATE operators SET revoked_at = now() WHERE name = ${'name'} AND revoked_at IS NULL
  RETURNING name`;

const LIST = namedStatement<{ name: string; createdAt: Date; revokedAt: Date | null }>(
  'operators.list',
)`
  SELECT name, created_at AS "createdAt", revoked_at AS "revokedAt" FROM operators ORDER BY name
  LIMIT 1000`;

const BY_HASH = namedStatement<{ name: string }>('operators.by-hash')`
  SELECT name FROM operators WHERE key_hash = ${'keyHash'} AND revoked_at IS NULL`;

const WRITE_AUDIT = namedStatement('operators.write-audit')`
  INSERT INTO audit_log (id, operator, action, subject, detail, outcome)
  VALUES (${'id'}, ${'operator'}, ${'action'}, ${'subject'}, ${'detail'}, ${'outcome'})
  ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome`;

const LIST_AUDIT = namedStatement<Audit & { at: Date }>('operators.list-audit')`
  SELECT id, at, operator, action, subject, detail, outcome FROM audit_log
  WHERE at < ${'before'} AND (${'operator'}::text IS NULL OR operator = ${'operator'})
  ORDER BY at DESC LIMIT ${'limit'}`;

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
    return (
      (await queryNamed(this.#database, ADD, { name, keyHash: Buffer.from(keyHash) })).length > 0
    );
  }

  /** Returns false if no operator of this name has a key that is not revoked. */
  async revoke(name: string): Promise<boolean> {
    return (await queryNamed(this.#database, REVOKE, { name })).length > 0;
  }

  async list(): Promise<{ name: string; createdAt: number; revokedAt?: number }[]> {
    const rows = await queryNamed(this.#database, LIST, {});
    return rows.map(({ name, createdAt, revokedAt }) => ({
      name,
      createdAt: createdAt.getTime(),
      ...(revokedAt && { revokedAt: revokedAt.getTime() }),
    }));
  }

  async byHash(keyHash: Uint8Array): Promise<string | undefined> {
    const [row] = await queryNamed(this.#database, BY_HASH, { keyHash: Buffer.from(keyHash) });
    return row?.name;
  }

  async audit({ id, operator, action, subject, detail, outcome }: Audit): Promise<void> {
    await queryNamed(this.#database, WRITE_AUDIT, {
      id,
      operator,
      action,
      subject,
      detail,
      outcome,
    });
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
    const rows = await queryNamed(this.#database, LIST_AUDIT, {
      before: new Date(before ?? this.#now() + 1),
      limit,
      operator: operator ?? null,
    });
    return rows.map(({ at, ...row }) => ({ ...row, at: at.getTime() }));
  }
}
