import type { ClientBase, Pool } from 'pg';
import { releaseEntry, type Signer } from '#bus-schemas';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import type { TransparencyLog } from '../log/transparency-log.ts';

export interface ReleaseRow {
  readonly codeHash: Buffer;
  readonly version: string;
  readonly addedAt: Date;
  readonly withdrawnAt: Date | null;
  readonly signature: Buffer;
}

const LIST = namedStatement<ReleaseRow>('releases.list')`
  SELECT code_hash AS "codeHash", version, added_at AS "addedAt", withdrawn_at AS "withdrawnAt",
    signature
  FROM releases ORDER BY added_at DESC LIMIT 1000`;

const ADD = namedStatement('releases.add')`
  INSERT INTO releases (code_hash, version, signature)
  VALUES (${'codeHash'}, ${'version'}, ${'signature'})
  ON CONFLICT (code_hash) DO NOTHING RETURNING code_hash`;

/** Verified machines that run this code, and those that run any other. */
const COUNT_MACHINES = namedStatement<{ losing: number; staying: number }>(
  'releases.count-machines',
)`
  SELECT coalesce(sum(n) FILTER (WHERE code_hash = ${'codeHash'}), 0)::int AS losing,
    coalesce(sum(n) FILTER (WHERE code_hash <> ${'codeHash'}), 0)::int AS staying
  FROM (
    SELECT v.code_hash, count(*) AS n
    FROM verdicts v JOIN providers p ON p.id = v.provider
    WHERE v.standing = 'verified' AND p.revoked_at IS NULL
    GROUP BY v.code_hash
  ) AS by_code`;

/** Returns no row if nothing changes. */
const SET_ACTIVE = namedStatement<{ version: string }>('releases.set-active')`
  UPDATE releases
  SET withdrawn_at = CASE WHEN ${'active'} THEN NULL ELSE coalesce(withdrawn_at, now()) END
  WHERE code_hash = ${'codeHash'} AND (withdrawn_at IS NULL) <> ${'active'} RETURNING version`;

const IS_ACTIVE = namedStatement('releases.is-active')`
  SELECT 1 AS active FROM releases WHERE code_hash = ${'codeHash'} AND withdrawn_at IS NULL`;

type Withdrawn = { ok: true } | { ok: false; code: 'unknown' | 'would_stop_fleet' };

/**
 * The releases that machines may run: all active ones. Every change is in the log, signed with the
 * log's key.
 */
export class Releases {
  readonly #database: Pool;
  readonly #transparency: TransparencyLog;
  readonly #signer: Signer;

  constructor(options: { database: Pool; transparency: TransparencyLog; signer: Signer }) {
    this.#database = options.database;
    this.#transparency = options.transparency;
    this.#signer = options.signer;
  }

  list(): Promise<ReleaseRow[]> {
    return queryNamed(this.#database, LIST, {});
  }

  /** Returns false if the release is already known; a withdrawn release stays withdrawn. */
  add(release: { version: string; codeHash: Uint8Array }): Promise<boolean> {
    return transaction(this.#database, async (client) => {
      const entry = releaseEntry({ ...release, active: true });
      const added = await queryNamed(client, ADD, {
        ...release,
        signature: this.#signer.sign(entry),
      });
      if (added.length === 0) return false;
      await this.#transparency.append(client, entry);
      return true;
    });
  }

  /**
   * Refuses without `force` if more machines run this release than all others, because a mistake
   * would stop most of the fleet.
   */
  withdraw(codeHash: Uint8Array, { force }: { force: boolean }): Promise<Withdrawn> {
    return transaction(this.#database, async (client): Promise<Withdrawn> => {
      const [count] = await queryNamed(client, COUNT_MACHINES, { codeHash });
      if (!force && (count?.losing ?? 0) > (count?.staying ?? 0))
        return { ok: false, code: 'would_stop_fleet' };
      return this.#setActive(client, codeHash, false);
    });
  }

  restore(codeHash: Uint8Array): Promise<Withdrawn> {
    return transaction(this.#database, (client) => this.#setActive(client, codeHash, true));
  }

  async #setActive(client: ClientBase, codeHash: Uint8Array, active: boolean): Promise<Withdrawn> {
    const [changed] = await queryNamed(client, SET_ACTIVE, { codeHash, active });
    if (changed === undefined) return { ok: false, code: 'unknown' };
    await this.#transparency.append(
      client,
      releaseEntry({ version: changed.version, codeHash, active }),
    );
    return { ok: true };
  }
}

export async function isActiveCode(client: ClientBase, codeHash: Uint8Array): Promise<boolean> {
  return (await queryNamed(client, IS_ACTIVE, { codeHash })).length > 0;
}
