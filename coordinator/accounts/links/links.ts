import { join } from 'node:path';
import type { Pool } from 'pg';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'decide',
  'delete-old',
  'poll',
  'start',
]);

type State = 'pending' | 'approved' | 'denied' | 'consumed';

/**
 * Devices that ask to join an account (RFC 8628).
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
  }: {
    deviceHash: Uint8Array;
    userCode: string;
    intervalMs: number;
    expiresAt: number;
  }): Promise<void> {
    await query(this.#database, sql.start, [
      Buffer.from(deviceHash),
      userCode,
      intervalMs,
      new Date(expiresAt),
    ]);
  }

  async poll(deviceHash: Uint8Array) {
    type Row = { state: State; account: string | null; expired: boolean; tooSoon: boolean };
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
        return { ok: true as const, account: link.account ?? '' };
    }
  }

  async decide(userCode: string, account: string, approve: boolean) {
    const [link] = await query<{ state: State; expired: boolean }>(this.#database, sql.decide, [
      userCode,
      account,
      approve,
    ]);
    if (link === undefined) return refusal('unknown');
    if (link.expired) return refusal('expired');
    return link.state === 'pending' ? { ok: true as const } : refusal('used');
  }

  async deleteOld(): Promise<void> {
    await query(this.#database, sql['delete-old']);
  }
}

function refusal<const Code extends string>(code: Code): { ok: false; code: Code } {
  return { ok: false, code };
}
