import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import {
  type Enrolled,
  events,
  mintProviderUser,
  type Standing,
  services,
  TrustEnrolled,
  type TrustFault,
  type TrustLevel,
  TrustRevoked,
  verdictEntry,
} from '#bus-schemas';
import { type Bus, type Endpoint, endpoint } from '#coordinator/bus.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import type { AccountResolver } from '../account-resolver.ts';
import type { TransparencyLog } from './log/transparency-log.ts';
import { accountKey, newSalt } from './provider-account.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'machines',
  'owner-record',
  'revoke-provider',
]);

const ADD_TOKEN = namedStatement<{ expiresAt: Date }>('trust.add-token')`
  INSERT INTO enrolment_tokens (hash, expires_at, account)
  VALUES (${'hash'}, now() + ${'lifetimeMs'} * interval '1 millisecond', ${'account'})
  RETURNING expires_at AS "expiresAt"`;

const OWNER = namedStatement<{ account: string | null }>('trust.owner')`
  SELECT account FROM providers WHERE id = ${'provider'}`;

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

const ACTIVE_PROVIDERS = namedStatement<{ id: string }>('trust.active-providers')`
  SELECT id FROM providers WHERE revoked_at IS NULL`;

const REVOKED_PROVIDERS = namedStatement<{ id: string }>('trust.revoked-providers')`
  SELECT id FROM providers WHERE revoked_at IS NOT NULL`;

const TOKEN_BYTES = 24;

export interface EnrolmentOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly resolver: AccountResolver;
  readonly transparency: TransparencyLog;
  readonly masterSecret: Uint8Array;
  readonly leafUrls: readonly string[];
  /** Number of machines that an account may link in 24 hours. */
  readonly linksPerDay: number;
  readonly leafLifetimeMs: number;
  readonly now: () => number;
}

interface MachineRow {
  readonly provider: string;
  readonly name: string;
  readonly enrolledAt: Date;
  readonly revokedAt: Date | null;
  readonly standing: Standing | null;
  readonly level: TrustLevel | null;
  readonly fault: TrustFault | null;
}

/** Turns one-time tokens into credentials, and revokes credentials. */
export function enrolmentEndpoints(options: EnrolmentOptions): Endpoint[] {
  const {
    bus,
    database,
    resolver,
    transparency,
    masterSecret,
    leafUrls,
    linksPerDay,
    leafLifetimeMs,
    now,
  } = options;
  return [
    endpoint(services.trust.createToken, async ({ lifetimeMs, account }) => {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      const [row] = await queryNamed(database, ADD_TOKEN, {
        hash: hashOf(token),
        lifetimeMs,
        account: account ?? null,
      });
      return { token, expiresAt: row?.expiresAt.getTime() ?? 0 };
    }),
    endpoint(services.trust.enrol, async (request): Promise<Enrolled> => {
      const admitted = await consumeToken(database, { ...request, masterSecret, linksPerDay });
      if (!admitted.ok) return admitted;
      // The hub is updated after the commit, so that every machine that the hub knows is in the
      // database.
      const provider = admitted.account.getPublicKey();
      await resolver.admit(provider);
      bus.emit(
        events.trustEnrolled,
        TrustEnrolled,
        { provider, at: now() },
        `enrolled:${provider}`,
      );
      const userJwt = await mintProviderUser(
        admitted.account,
        request.userKey,
        now() + leafLifetimeMs,
      );
      return { ok: true, provider, userJwt, leafUrls: [...leafUrls] };
    }),
    endpoint(services.trust.owner, async ({ provider }) => {
      const [row] = await queryNamed(database, OWNER, { provider });
      return { ...(row?.account && { account: row.account }) };
    }),
    endpoint(services.trust.owners, async ({ account }) => ({
      owners: await recordsOf(database, account),
    })),
    endpoint(services.trust.machines, async ({ account }) => {
      const rows = await query<MachineRow>(database, sql.machines, [account]);
      return {
        machines: rows.map(({ provider, name, enrolledAt, revokedAt, standing, level, fault }) => ({
          provider,
          name,
          enrolledAt: enrolledAt.getTime(),
          ...(revokedAt !== null && { revokedAt: revokedAt.getTime() }),
          ...(standing !== null && { standing }),
          ...(level !== null && { level }),
          ...(fault !== null && { fault }),
        })),
      };
    }),
    endpoint(services.trust.revoke, async ({ provider }) => {
      const revoked = await transaction(database, async (client) => {
        const [before] = await query<{ first: boolean }>(client, sql['revoke-provider'], [
          provider,
        ]);
        if (before?.first)
          await transparency.append(
            client,
            verdictEntry({ provider, standing: 'untrusted', level: 'none', signingKey: undefined }),
          );
        return before !== undefined;
      });
      if (!revoked) return { revoked: false };
      await resolver.expel([provider]);
      bus.emit(events.trustRevoked, TrustRevoked, { provider, at: now() }, `revoked:${provider}`);
      return { revoked: true };
    }),
  ];
}

type TokenResult =
  | { ok: true; account: ReturnType<typeof accountKey> }
  | Extract<Enrolled, { ok: false }>;

/**
 * Consumes a token for one key. If the same key sends the token again, it gets the same provider,
 * because the first answer may have been lost.
 */
function consumeToken(
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
        ? { ok: true, account: accountKey(masterSecret, before.salt) }
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
    return { ok: true, account };
  });
}

interface OwnerRecord {
  readonly account: string;
  readonly machines: number;
  readonly removed: number;
  readonly linkedLastDay: number;
  readonly caught: number;
}

const recordsOf = (
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
  const [record] = await recordsOf(client, account);
  if (record === undefined) return undefined;
  if (record.caught > 0) return 'owner_caught';
  return record.linkedLastDay >= linksPerDay ? 'too_many_machines' : undefined;
}

/**
 * Corrects the accounts of the hub by those of the database, after a hub has lost its folder or a
 * crash between database and hub. While the signing key is being rotated, all accounts are signed
 * again.
 */
export async function reconcileAccounts(
  database: Pool,
  resolver: AccountResolver,
  { isRotating }: { readonly isRotating: boolean },
): Promise<void> {
  const known = await resolver.known();
  const active = await queryNamed(database, ACTIVE_PROVIDERS, {});
  for (const { id } of active) if (isRotating || !known.has(id)) await resolver.admit(id);
  const revoked = await queryNamed(database, REVOKED_PROVIDERS, {});
  const stillThere = revoked.filter(({ id }) => known.has(id)).map(({ id }) => id);
  if (stillThere.length > 0) await resolver.expel(stillThere);
}
