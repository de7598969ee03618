import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { type Enrolled, events, mintProviderUser, services, TrustConnected, TrustDisconnected, TrustEnrolled, TrustRevoked } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import { connectToHub } from '#coordinator/connect-bus.ts';
import type { Context } from '#coordinator/context.ts';
import { hashOf } from '#coordinator/secrets.ts';
import { loadStatements, query, transaction } from '#coordinator/sql.ts';
import { AccountResolver } from './account-resolver.ts';
import { watchConnections } from './connection-watch.ts';
import { prepareOperatorHome } from './operator-home.ts';
import { accountKey, newSalt } from './provider-account.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'active-providers',
  'add-provider',
  'add-token',
  'lock-token',
  'machines',
  'owner',
  'provider-by-token',
  'revoke-provider',
  'revoked-providers',
]);

const TOKEN_BYTES = 24;

/** Who may connect: turns one-time tokens into credentials, takes them back, and tells when providers come and go. */
export async function startTrust(context: Context): Promise<Component> {
  const { bus, database, config, log, now } = context;
  const { keys, masterSecret } = await prepareOperatorHome({ home: config.home });
  const system = await connectToHub({ urls: config.natsUrls, credentialsFile: config.systemCredentials, name: 'trust', log });
  const resolver = new AccountResolver(system, keys);

  const own = new Set([keys.core, keys.ops, keys.system].map((key) => key.getPublicKey()));
  const watch = watchConnections(
    system,
    (account) => account.startsWith('A') && !own.has(account),
    ({ provider, change, id }) => {
      const connected = change === 'connected';
      bus.emit(
        connected ? events.trustConnected : events.trustDisconnected,
        connected ? TrustConnected : TrustDisconnected,
        { provider, at: now() },
        `trust:${id}`,
      );
    },
  );

  const reconcile = async (): Promise<void> => {
    try {
      await reconcileAccounts(database, resolver);
    } catch (error) {
      log.warn({ err: error }, 'the accounts of the hub could not be compared with the database');
    }
  };
  await reconcile();
  void (async () => {
    for await (const { type } of system.status()) if (type === 'reconnect') await reconcile();
  })();

  const face = await bus.serve('trust', [
    endpoint(services.trust.createToken, async ({ lifetimeMs, account }) => {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      const [row] = await query<{ expiresAt: Date }>(database, sql['add-token'], [hashOf(token), lifetimeMs, account ?? null]);
      return { token, expiresAt: row?.expiresAt.getTime() ?? 0 };
    }),
    endpoint(services.trust.enrol, async (request): Promise<Enrolled> => {
      const admitted = await admit(database, { ...request, masterSecret });
      if (!admitted.ok) return admitted;
      // Only after the row is written: what the hub knows, the database knows too.
      const provider = admitted.account.getPublicKey();
      await resolver.admit(provider);
      bus.emit(events.trustEnrolled, TrustEnrolled, { provider, at: now() }, `enrolled:${provider}`);
      return { ok: true, provider, userJwt: await mintProviderUser(admitted.account, request.userKey), leafUrls: [...config.leafUrls] };
    }),
    endpoint(services.trust.owner, async ({ provider }) => {
      const [row] = await query<{ account: string | null }>(database, sql.owner, [provider]);
      return { ...(row?.account && { account: row.account }) };
    }),
    endpoint(services.trust.machines, async ({ account }) => {
      type Row = { provider: string; name: string; enrolledAt: Date; revokedAt: Date | null };
      const rows = await query<Row>(database, sql.machines, [account]);
      return {
        machines: rows.map(({ provider, name, enrolledAt, revokedAt }) => ({
          ...{ provider, name, enrolledAt: enrolledAt.getTime() },
          ...(revokedAt !== null && { revokedAt: revokedAt.getTime() }),
        })),
      };
    }),
    endpoint(services.trust.revoke, async ({ provider }) => {
      const revoked = await query(database, sql['revoke-provider'], [provider]);
      if (revoked.length === 0) return { revoked: false };
      await resolver.expel([provider]);
      bus.emit(events.trustRevoked, TrustRevoked, { provider, at: now() }, `revoked:${provider}`);
      return { revoked: true };
    }),
  ]);
  const stop = async (): Promise<void> => {
    await face[Symbol.asyncDispose]();
    watch[Symbol.dispose]();
    await system.close();
  };
  return { name: 'trust', [Symbol.asyncDispose]: stop };
}

type Admitted = { ok: true; account: ReturnType<typeof accountKey> } | Extract<Enrolled, { ok: false }>;

/** A token serves one key. The same key asking again gets the same provider: its first answer may be lost. */
function admit(database: Pool, request: { token: string; userKey: string; name: string; masterSecret: Uint8Array }): Promise<Admitted> {
  const { token, userKey, name, masterSecret } = request;
  return transaction(database, async (client): Promise<Admitted> => {
    const hash = hashOf(token);
    const [known] = await query<{ expired: boolean; account: string | null }>(client, sql['lock-token'], [hash]);
    if (known === undefined) return { ok: false, code: 'unknown_token' };
    const [before] = await query<{ salt: Buffer; userKey: string; revokedAt: Date | null }>(client, sql['provider-by-token'], [hash]);
    if (before !== undefined) {
      const isSame = before.userKey === userKey && before.revokedAt === null;
      return isSame ? { ok: true, account: accountKey(masterSecret, before.salt) } : { ok: false, code: 'used_token' };
    }
    if (known.expired) return { ok: false, code: 'expired_token' };
    const salt = newSalt();
    const account = accountKey(masterSecret, salt);
    await query(client, sql['add-provider'], [account.getPublicKey(), salt, hash, userKey, name, known.account]);
    return { ok: true, account };
  });
}

/** After a hub lost its folder, or a crash between the database and the hub: the database is right. */
async function reconcileAccounts(database: Pool, resolver: AccountResolver): Promise<void> {
  const known = await resolver.known();
  const active = await query<{ id: string }>(database, sql['active-providers']);
  for (const { id } of active) if (!known.has(id)) await resolver.admit(id);
  const revoked = await query<{ id: string }>(database, sql['revoked-providers']);
  const stillThere = revoked.filter(({ id }) => known.has(id)).map(({ id }) => id);
  if (stillThere.length > 0) await resolver.expel(stillThere);
}
