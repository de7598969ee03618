import { join } from 'node:path';
import type { Pool } from 'pg';
import { type Authenticated, events, KeyChanged, randomToken, services } from '#bus-schemas';
import { endpoint } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import type { Context } from '#coordinator/context.ts';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['account-exists', 'add-account', 'add-key', 'key-by-hash', 'list-keys', 'revoke-key']);
const ID_LENGTH = 16;

/** Who calls: accounts and their API keys. */
export async function startAccounts({ bus, database, now }: Context): Promise<Component> {
  const keyChanged = (key: string) => bus.emit(events.accountsKeyChanged, KeyChanged, { key, at: now() }, `key-changed:${key}:${now()}`);

  const face = await bus.serve('accounts', [
    endpoint(services.accounts.createAccount, async ({ name }) => {
      const account = `acct_${randomToken(ID_LENGTH)}`;
      await query(database, sql['add-account'], [account, name]);
      return { account };
    }),
    endpoint(services.accounts.createKey, async ({ account, name, keyHash, hint }) => {
      const key = `key_${randomToken(ID_LENGTH)}`;
      const added = await query(database, sql['add-key'], [key, account, name, Buffer.from(keyHash), hint]);
      if (added.length === 0) {
        const known = await query(database, sql['account-exists'], [account]);
        return { ok: false as const, code: known.length === 0 ? ('unknown_account' as const) : ('duplicate' as const) };
      }
      keyChanged(key);
      return { ok: true as const, key };
    }),
    endpoint(services.accounts.revokeKey, async ({ key }) => {
      const revoked = await query(database, sql['revoke-key'], [key]);
      keyChanged(key);
      return { revoked: revoked.length === 1 };
    }),
    endpoint(services.accounts.listKeys, async ({ account }) => ({ keys: await listKeys(database, account) })),
    endpoint(services.accounts.authenticate, ({ keyHash }) => authenticate(database, keyHash, now())),
  ]);
  return { name: 'accounts', [Symbol.asyncDispose]: () => face[Symbol.asyncDispose]() };
}

async function authenticate(database: Pool, keyHash: Uint8Array, now: number): Promise<Authenticated> {
  type Row = { id: string; account: string; revokedAt: Date | null; expiresAt: Date | null };
  const [key] = await query<Row>(database, sql['key-by-hash'], [Buffer.from(keyHash)]);
  if (key === undefined) return { ok: false, code: 'unknown' };
  if (key.revokedAt !== null) return { ok: false, code: 'disabled' };
  if (key.expiresAt === null) return { ok: true, account: key.account, key: key.id };
  if (key.expiresAt.getTime() <= now) return { ok: false, code: 'expired' };
  return { ok: true, account: key.account, key: key.id, expiresAt: key.expiresAt.getTime() };
}

async function listKeys(database: Pool, account: string | undefined) {
  type Row = { id: string; account: string; name: string; hint: string; createdAt: Date; revokedAt: Date | null };
  const rows = await query<Row>(database, sql['list-keys'], [account ?? null]);
  return rows.map(({ id, createdAt, revokedAt, ...rest }) => ({
    ...rest,
    key: id,
    createdAt: createdAt.getTime(),
    ...(revokedAt && { revokedAt: revokedAt.getTime() }),
  }));
}
