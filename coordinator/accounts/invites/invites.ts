import { join } from 'node:path';
import type { Pool } from 'pg';
import { isDuplicate, loadStatements, query, transaction } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'apply',
  'create',
  'lock-invite',
  'owner-of-code',
  'put-code',
  'redeem',
  'redemption',
  'referral',
]);

/**
 * Invites, whose codes give credit, and referral codes, which record the account that referred
 * another. Settlement books the money; this component only records that a code was used.
 */
export class Invites {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async create({
    code,
    creditMicroUsd,
    uses,
    expiresAt,
  }: {
    code: string;
    creditMicroUsd: number;
    uses: number;
    expiresAt?: number;
  }): Promise<boolean> {
    const created = await query(this.#database, sql.create, [
      code,
      creditMicroUsd,
      uses,
      expiresAt === undefined ? null : new Date(expiresAt),
    ]);
    return created.length > 0;
  }

  redeem(code: string, account: string) {
    return transaction(this.#database, async (client) => {
      const [invite] = await query<{ credit: string; usesLeft: string; expired: boolean }>(
        client,
        sql['lock-invite'],
        [code],
      );
      if (invite === undefined) return { ok: false as const, code: 'unknown' as const };
      const creditMicroUsd = Number(invite.credit);
      if ((await query(client, sql.redemption, [code, account])).length > 0)
        return { ok: true as const, creditMicroUsd, again: true };
      if (invite.expired) return { ok: false as const, code: 'expired' as const };
      if (Number(invite.usesLeft) === 0) return { ok: false as const, code: 'used_up' as const };
      await query(client, sql.redeem, [code, account]);
      return { ok: true as const, creditMicroUsd, again: false };
    });
  }

  /** Returns false if another account has the code. */
  async setReferralCode(account: string, code: string): Promise<boolean> {
    try {
      await query(this.#database, sql['put-code'], [account, code]);
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  async applyReferral(account: string, code: string) {
    const [owner] = await query<{ account: string }>(this.#database, sql['owner-of-code'], [code]);
    if (owner === undefined) return { ok: false as const, code: 'unknown' as const };
    if (owner.account === account) return { ok: false as const, code: 'own' as const };
    await query(this.#database, sql.apply, [account, owner.account]);
    // The same referrer is accepted again: a crash after this insert may have happened before
    // settlement received the referral, and the repeated call completes it.
    const { referrer } = await this.referral(account);
    return referrer === owner.account
      ? { ok: true as const, referrer: owner.account }
      : { ok: false as const, code: 'already' as const };
  }

  async referral(account: string) {
    const [row] = await query<{ code: string | null; referred: string; referrer: string | null }>(
      this.#database,
      sql.referral,
      [account],
    );
    return {
      referred: Number(row?.referred ?? 0),
      ...(row?.code && { code: row.code }),
      ...(row?.referrer && { referrer: row.referrer }),
    };
  }
}
