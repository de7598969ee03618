import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import type { Enrolled } from '#bus-schemas';
import { hashOf } from '#coordinator/secrets.ts';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { accountKey, newSalt } from './provider-account.ts';

export const enrolmentStatements = loadStatements(join(import.meta.dirname, 'store'), [
  'machines',
  'owner-record',
  'revoke-provider',
]);
const sql = enrolmentStatements;

const ADD_TOKEN = namedStatement<{ expiresAt: Date }>('trust.add-token')`
  INSERT INTO enrolment_tokens (hash, expires_at, account)
  VALUES (${'hash'}, now() + ${'lifetimeMs'} * interval '1 millisecond', ${'account'})
  RETURNING expires_at AS "expiresAt"`;

/**
 * Unused tokens are deleted a day after they expire; until then their use is refused with the
 * reason. Each new token deletes some, so their number stays small without a timer.
 */
const DELETE_UNUSED = namedStatement('trust.delete-unused-tokens')`
  DELETE FROM enrolment_tokens WHERE hash IN (
    SELECT hash FROM enrolment_tokens AS token
    WHERE expires_at < now() - interval '1 day'
      AND NOT EXISTS (SELECT FROM providers WHERE token_hash = token.hash)
    LIMIT 100
    FOR UPDATE SKIP LOCKED)`;

const LOCK_TOKEN = namedStatement<{ expired: boolean; account: string | null }>('trust.lock-token')`
  SELECT expires_at < now() AS expired, account FROM enrolment_tokens WHERE hash = ${'hash'}
  FOR UPDATE`;

const PROVIDER_BY_TOKEN = namedStatement<{ salt: Buffer; userKey: string; revokedAt: Date | null }>(
  'trust.provider-by-token',
)`
  SELECT id, salt, user_key AS "userKey", revoked_at AS "revokedAt" FROM providers
  WHERE token_hash = ${'hash'}`;

/** A machine that the operator enrolled without an account counts as proven. */
const ADD_PROVIDER = namedStatement('trust.add-provider')`
  INSERT INTO providers (id, salt, token_hash, user_key, name, account, proven_at)
  VALUES (${'id'}, ${'salt'}, ${'token'}, ${'userKey'}, ${'name'}, ${'account'},
    CASE WHEN ${'account'}::text IS NULL THEN now() END)`;

/** Serialises the links of one owner, so that their number cannot exceed the limit. */
const LOCK_OWNER = namedStatement('trust.lock-owner')`
  SELECT pg_advisory_xact_lock(hashtextextended(${'account'}, 73))`;

const TOKEN_BYTES = 24;

export async function createToken(
  database: Pool,
  { lifetimeMs, account }: { lifetimeMs: number; account?: string },
): Promise<{ token: string; expiresAt: number }> {
  await queryNamed(database, DELETE_UNUSED, {});
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const [row] = await queryNamed(database, ADD_TOKEN, {
    hash: hashOf(token),
    lifetimeMs,
    account: account ?? null,
  });
  return { token, expiresAt: row?.expiresAt.getTime() ?? 0 };
}

type TokenResult =
  | { ok: true; account: ReturnType<typeof accountKey>; owner: string | null }
  | Extract<Enrolled, { ok: false }>;

/**
 * Consumes a token for one key. If the same key sends the token again, it gets the same provider,
 * because the first answer may have been lost.
 */
export function consumeToken(
  database: Pool,
  request: {
    token: string;
    userKey: string;
    name: string;
    masterSecret: Uint8Array;
    linksPerDay: number;
  },
): Promise<TokenResult> {
  const { token, userKey, name, masterSecret, linksPerDay } = request;
  return transaction(database, async (client): Promise<TokenResult> => {
    const hash = hashOf(token);
    const [known] = await queryNamed(client, LOCK_TOKEN, { hash });
    if (known === undefined) return { ok: false, code: 'unknown_token' };
    const [before] = await queryNamed(client, PROVIDER_BY_TOKEN, { hash });
    if (before !== undefined) {
      const isSame = before.userKey === userKey && before.revokedAt === null;
      return isSame
        ? { ok: true, account: accountKey(masterSecret, before.salt), owner: known.account }
        : { ok: false, code: 'used_token' };
    }
    if (known.expired) return { ok: false, code: 'expired_token' };
    const refusal =
      known.account === null ? undefined : await ownerRefusal(client, known.account, linksPerDay);
    if (refusal !== undefined) return { ok: false, code: refusal };
    const salt = newSalt();
    const account = accountKey(masterSecret, salt);
    await queryNamed(client, ADD_PROVIDER, {
      id: account.getPublicKey(),
      salt,
      token: hash,
      userKey,
      name,
      account: known.account,
    });
    return { ok: true, account, owner: known.account };
  });
}

interface OwnerRecord {
  readonly account: string;
  readonly machines: number;
  readonly removed: number;
  readonly linkedLastDay: number;
  readonly caught: number;
}

export const ownerRecords = (
  database: Pool | ClientBase,
  account: string | undefined,
): Promise<OwnerRecord[]> => query(database, sql['owner-record'], [account ?? null]);

/**
 * Prevents the owner of an untrusted machine from linking it again under a new name, and one
 * account from linking many machines within a minute.
 */
async function ownerRefusal(
  client: ClientBase,
  account: string,
  linksPerDay: number,
): Promise<'owner_caught' | 'too_many_machines' | undefined> {
  await queryNamed(client, LOCK_OWNER, { account });
  const [record] = await ownerRecords(client, account);
  if (record === undefined) return undefined;
  if (record.caught > 0) return 'owner_caught';
  return record.linkedLastDay >= linksPerDay ? 'too_many_machines' : undefined;
}
