import { join } from 'node:path';
import type { Pool } from 'pg';
import type { LinkPurpose } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['decide', 'poll']);

const START = namedStatement('links.start')`
  INSERT INTO device_links
    (device_hash, user_code, interval_ms, expires_at, purpose, client, address)
  VALUES (${'deviceHash'}, ${'userCode'}, ${'intervalMs'}, ${'expiresAt'}, ${'purpose'},
    ${'client'}, ${'address'})`;

const FIND = namedStatement<Asking & { state: State; expired: boolean; askedAt: Date }>(
  'links.find',
)`
  SELECT purpose, client, address, asked_at AS "askedAt", state, expires_at < now() AS expired
  FROM device_links WHERE user_code = ${'userCode'}`;

const DELETE_OLD = namedStatement('links.delete-old')`
  DELETE FROM device_links WHERE expires_at < now() - interval '1 day'`;

type State = 'pending' | 'approved' | 'denied' | 'consumed';

/** What asks with a code: a machine that wants to be linked, or a program that wants to sign in. */
interface Asking {
  readonly purpose: LinkPurpose;
  /** The name that it gave itself. */
  readonly client: string;
  readonly address: string;
}

/**
 * Devices that ask to join an account, and programs that ask to sign in (RFC 8628).
 *
 *   pending → approved → consumed
 *        ↘ denied
 *
 * Exactly one poll changes the state from approved to consumed and gets the account. An attacker
 * who polls later with a stolen device code gets nothing.
 */
export class Links {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async start({
    deviceHash,
    userCode,
    intervalMs,
    expiresAt,
    purpose = 'machine',
    client = '',
    address = '',
  }: Partial<Asking> & {
    deviceHash: Uint8Array;
    userCode: string;
    intervalMs: number;
    expiresAt: number;
  }): Promise<void> {
    await queryNamed(this.#database, START, {
      deviceHash: Buffer.from(deviceHash),
      userCode,
      intervalMs,
      expiresAt: new Date(expiresAt),
      purpose,
      client,
      address,
    });
  }

  /** What asks with this code. */
  async find(userCode: string) {
    const [link] = await queryNamed(this.#database, FIND, { userCode });
    if (link === undefined) return refusal('unknown');
    if (link.expired) return refusal('expired');
    if (link.state !== 'pending') return refusal('used');
    const { purpose, client, address, askedAt } = link;
    return { ok: true as const, purpose, client, address, askedAt: askedAt.getTime() };
  }

  async poll(deviceHash: Uint8Array) {
    type Row = {
      state: State;
      account: string | null;
      purpose: LinkPurpose;
      expired: boolean;
      tooSoon: boolean;
    };
    const [link] = await query<Row>(this.#database, sql.poll, [Buffer.from(deviceHash)]);
    if (link === undefined) return refusal('invalid_grant');
    if (link.expired) return refusal('expired_token');
    switch (link.state) {
      case 'pending':
        return refusal(link.tooSoon ? 'slow_down' : 'authorization_pending');
      case 'denied':
        return refusal('access_denied');
      case 'consumed':
        return refusal('invalid_grant');
      case 'approved':
        return { ok: true as const, account: link.account ?? '', purpose: link.purpose };
    }
  }

  async decide({
    userCode,
    account,
    approve,
    purpose = 'machine',
  }: {
    userCode: string;
    account: string;
    approve: boolean;
    purpose?: LinkPurpose;
  }) {
    const [link] = await query<{ state: State; expired: boolean }>(this.#database, sql.decide, [
      userCode,
      account,
      approve,
      purpose,
    ]);
    if (link === undefined) return refusal('unknown');
    if (link.expired) return refusal('expired');
    return link.state === 'pending' ? { ok: true as const } : refusal('used');
  }

  async deleteOld(): Promise<void> {
    await queryNamed(this.#database, DELETE_OLD, {});
  }
}

function refusal<const Code extends string>(code: Code): { ok: false; code: Code } {
  return { ok: false, code };
}
