import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import { releaseEntry, type Signer } from '#bus-schemas';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import type { TransparencyLog } from '../log/transparency-log.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'add-release',
  'is-active',
  'machines-by-code',
  'releases',
  'set-active',
]);

export interface ReleaseRow {
  readonly codeHash: Buffer;
  readonly version: string;
  readonly addedAt: Date;
  readonly withdrawnAt: Date | null;
  readonly signature: Buffer;
}

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
    return query(this.#database, sql.releases);
  }

  /** Returns false if the release is already known; a withdrawn release stays withdrawn. */
  add(release: { version: string; codeHash: Uint8Array }): Promise<boolean> {
    return transaction(this.#database, async (client) => {
      const entry = releaseEntry({ ...release, active: true });
      const added = await query(client, sql['add-release'], [
        release.codeHash,
        release.version,
        this.#signer.sign(entry),
      ]);
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
      const [count] = await query<{ losing: number; staying: number }>(
        client,
        sql['machines-by-code'],
        [codeHash],
      );
      if (!force && (count?.losing ?? 0) > (count?.staying ?? 0))
        return { ok: false, code: 'would_stop_fleet' };
      return this.#setActive(client, codeHash, false);
    });
  }

  restore(codeHash: Uint8Array): Promise<Withdrawn> {
    return transaction(this.#database, (client) => this.#setActive(client, codeHash, true));
  }

  async #setActive(client: ClientBase, codeHash: Uint8Array, active: boolean): Promise<Withdrawn> {
    const [changed] = await query<{ version: string }>(client, sql['set-active'], [
      codeHash,
      active,
    ]);
    if (changed === undefined) return { ok: false, code: 'unknown' };
    await this.#transparency.append(
      client,
      releaseEntry({ version: changed.version, codeHash, active }),
    );
    return { ok: true };
  }
}

export async function isActiveCode(client: ClientBase, codeHash: Uint8Array): Promise<boolean> {
  return (await query(client, sql['is-active'], [codeHash])).length > 0;
}
