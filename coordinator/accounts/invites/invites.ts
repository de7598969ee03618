import type { Pool } from 'pg';
import { isDuplicate, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const CREATE_INVITE = namedStatement('invites.create')`
  INSERT INTO invites (code, credit, uses_left, expires_at)
  VALUES (${'code'}, ${'creditMicroUsd'}, ${'uses'}, ${'expiresAt'}) ON CONFLICT DO NOTHING
  RETURNING code`;

const LOCK_INVITE = namedStatement<{ credit: string; usesLeft: string; expired: boolean }>(
  'invites.lock-invite',
)`
  SELECT credit, uses_left AS "usesLeft", coalesce(expires_at < now(), false) AS expired
  FROM invites WHERE code = ${'code'} FOR UPDATE`;

const REDEMPTION = namedStatement('invites.redemption')`
  SELECT FROM invite_redemptions WHERE code = ${'code'} AND account = ${'account'}`;

const REDEEM = namedStatement('invites.redeem')`
  WITH used AS (UPDATE invites SET uses_left = uses_left - 1 WHERE code = ${'code'})
  INSERT INTO invite_redemptions (code, account) VALUES (${'code'}, ${'account'})`;

const PUT_CODE = namedStatement('invites.put-code')`
  INSERT INTO referral_codes (account, code) VALUES (${'account'}, ${'code'})
  ON CONFLICT (account) DO UPDATE SET code = excluded.code`;

const OWNER_OF_CODE = namedStatement<{ account: string }>('invites.owner-of-code')`
  SELECT account FROM referral_codes WHERE code = ${'code'}`;

const APPLY_REFERRAL = namedStatement('invites.apply')`
  INSERT INTO referrals (account, referrer) VALUES (${'account'}, ${'referrer'})
  ON CONFLICT (account) DO NOTHING RETURNING referrer`;

const REFERRAL = namedStatement<{ code: string | null; referred: string; referrer: string | null }>(
  'invites.referral',
)`
  SELECT (SELECT code FROM referral_codes WHERE account = ${'account'}) AS code,
    (SELECT count(*) FROM referrals WHERE referrer = ${'account'}) AS referred,
    (SELECT referrer FROM referrals WHERE account = ${'account'}) AS referrer`;

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
    const created = await queryNamed(this.#database, CREATE_INVITE, {
      code,
      creditMicroUsd,
      uses,
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
    });
    return created.length > 0;
  }

  redeem(code: string, account: string) {
    return transaction(this.#database, async (client) => {
      const [invite] = await queryNamed(client, LOCK_INVITE, { code });
      if (invite === undefined) return { ok: false as const, code: 'unknown' as const };
      const creditMicroUsd = Number(invite.credit);
      if ((await queryNamed(client, REDEMPTION, { code, account })).length > 0)
        return { ok: true as const, creditMicroUsd, again: true };
      if (invite.expired) return { ok: false as const, code: 'expired' as const };
      if (Number(invite.usesLeft) === 0) return { ok: false as const, code: 'used_up' as const };
      await queryNamed(client, REDEEM, { code, account });
      return { ok: true as const, creditMicroUsd, again: false };
    });
  }

  /** Returns false if another account has the code. */
  async setReferralCode(account: string, code: string): Promise<boolean> {
    try {
      await queryNamed(this.#database, PUT_CODE, { account, code });
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  async applyReferral(account: string, code: string) {
    const [owner] = await queryNamed(this.#database, OWNER_OF_CODE, { code });
    if (owner === undefined) return { ok: false as const, code: 'unknown' as const };
    if (owner.account === account) return { ok: false as const, code: 'own' as const };
    await queryNamed(this.#database, APPLY_REFERRAL, { account, referrer: owner.account });
    // The same referrer is accepted again: a crash after this insert may have happened before
    // settlement received the referral, and the repeated call completes it.
    const { referrer } = await this.referral(account);
    return referrer === owner.account
      ? { ok: true as const, referrer: owner.account }
      : { ok: false as const, code: 'already' as const };
  }

  async referral(account: string) {
    const [row] = await queryNamed(this.#database, REFERRAL, { account });
    return {
      referred: Number(row?.referred ?? 0),
      ...(row?.code && { code: row.code }),
      ...(row?.referrer && { referrer: row.referrer }),
    };
  }
}
