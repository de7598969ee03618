import type { Pool } from 'pg';
import {
  type Authenticated,
  events,
  KeyChanged,
  type KeyRecord,
  type KeySettings,
  newKeyId,
  type RateLimits,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { ADD_KEY, KEY_BY_HASH, LIST_KEYS, UPDATE_KEY } from './key-statements.ts';
import { LastUses } from './last-uses.ts';

const COUNT_KEYS = namedStatement<{ keys: string }>('keys.count-keys')`
  SELECT count(*) AS keys FROM api_keys WHERE account = ${'account'} AND revoked_at IS NULL`;

const ROTATE_KEY = namedStatement<{ account: string }>('keys.rotate-key')`
  UPDATE api_keys SET hash = ${'keyHash'}, hint = ${'hint'}
  WHERE id = ${'key'} AND account = ${'account'} AND revoked_at IS NULL RETURNING account`;

const REVOKE_KEY = namedStatement<{ account: string }>('keys.revoke-key')`
  UPDATE api_keys SET revoked_at = now()
  WHERE id = ${'key'} AND (${'account'}::text IS NULL OR account = ${'account'})
    AND revoked_at IS NULL
  RETURNING account`;

/** Most keys of an account that are not revoked, so that a list of them fits into one message. */
const MAX_KEYS = 500;

interface KeysOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly now: () => number;
}

interface NewKey
  extends Pick<KeySettings, 'name' | 'expiresAt' | 'allowedModels'>,
    Partial<Pick<KeySettings, 'disabled' | 'limits' | 'selfRouteOnly'>> {
  readonly key?: string | undefined;
  readonly account: string;
  readonly keyHash: Uint8Array;
  readonly hint: string;
}

/**
 * API keys. Every change is published to all ingresses after it is stored, so that an ingress that
 * then drops the key from its cache and asks again gets the new state.
 */
export class Keys {
  readonly #options: KeysOptions;
  readonly #lastUses: LastUses;

  constructor(options: KeysOptions) {
    this.#options = options;
    this.#lastUses = new LastUses(options.database);
  }

  /** Writes when keys were last used. The component calls it once a minute and before it ends. */
  writeLastUses(): Promise<void> {
    return this.#lastUses.write();
  }

  async authenticate(keyHash: Uint8Array): Promise<Authenticated> {
    const [row] = await query<
      SettingsRow & AccountColumns & { id: string; account: string; revokedAt: Date | null }
    >(this.#options.database, KEY_BY_HASH, [Buffer.from(keyHash)]);
    if (row === undefined) return { ok: false, code: 'unknown' };
    if (row.revokedAt !== null || row.disabled) return { ok: false, code: 'disabled' };
    const { limits, allowedModels, selfRouteOnly, expiresAt } = settingsOf(row);
    if (expiresAt !== undefined && expiresAt <= this.#options.now())
      return { ok: false, code: 'expired' };
    if (row.isSuspended) return { ok: false, code: 'suspended' };
    const { accountLimits } = row;
    this.#lastUses.note(row.id, this.#options.now());
    return {
      ok: true,
      account: row.account,
      key: row.id,
      ...(expiresAt !== undefined && { expiresAt }),
      ...(Object.keys(limits).length > 0 && { limits }),
      ...(allowedModels && { allowedModels }),
      ...(selfRouteOnly && { selfRouteOnly }),
      ...(Object.keys(accountLimits).length > 0 && { accountLimits }),
    };
  }

  async create({
    key = newKeyId(),
    account,
    name,
    keyHash,
    hint,
    disabled = false,
    limits = {},
    selfRouteOnly = false,
    ...rest
  }: NewKey) {
    const { database } = this.#options;
    const [count] = await queryNamed(database, COUNT_KEYS, { account });
    if (Number(count?.keys) >= MAX_KEYS) return { ok: false as const, code: 'too_many' as const };
    const added = await query(database, ADD_KEY, [
      key,
      account,
      name,
      Buffer.from(keyHash),
      hint,
      ...valuesOf({ disabled, limits, selfRouteOnly, ...rest }),
    ]);
    if (added.length === 0) return undefined;
    this.#changed(key, account);
    return { ok: true as const, key };
  }

  async find(key: string, account: string | undefined): Promise<KeyRecord | undefined> {
    return (await this.list({ key, account }))[0];
  }

  async list({
    key,
    account,
  }: {
    key?: string;
    account?: string | undefined;
  }): Promise<KeyRecord[]> {
    const rows = await query<KeyRow>(this.#options.database, LIST_KEYS, [
      account ?? null,
      key ?? null,
    ]);
    return rows.map((row) => recordOf(row, this.#lastUses.unwritten(row.id)));
  }

  async update(key: string, account: string, { name, ...settings }: KeySettings): Promise<boolean> {
    return this.#change(
      key,
      await query(this.#options.database, UPDATE_KEY, [key, account, name, ...valuesOf(settings)]),
    );
  }

  async rotate(
    key: string,
    account: string,
    secret: { keyHash: Uint8Array; hint: string },
  ): Promise<boolean> {
    return this.#change(
      key,
      await queryNamed(this.#options.database, ROTATE_KEY, {
        key,
        account,
        keyHash: Buffer.from(secret.keyHash),
        hint: secret.hint,
      }),
    );
  }

  async revoke(key: string, account: string | undefined): Promise<boolean> {
    return this.#change(
      key,
      await queryNamed(this.#options.database, REVOKE_KEY, { key, account: account ?? null }),
    );
  }

  #change(key: string, [changed]: readonly { readonly account: string }[]): boolean {
    if (changed !== undefined) this.#changed(key, changed.account);
    return changed !== undefined;
  }

  #changed(key: string, account: string): void {
    const at = this.#options.now();
    this.#options.bus.emit(
      events.accountsKeyChanged,
      KeyChanged,
      { key, account, at },
      `key-changed:${key}:${at}`,
    );
  }
}

interface SettingsRow {
  readonly disabled: boolean;
  readonly expiresAt: Date | null;
  readonly limits: RateLimits;
  readonly allowedModels: string[] | null;
  readonly selfRouteOnly: boolean;
}

/** Columns of the account that a key belongs to. */
interface AccountColumns {
  readonly isSuspended: boolean;
  readonly accountLimits: RateLimits;
}

interface KeyRow extends SettingsRow {
  readonly id: string;
  readonly account: string;
  readonly name: string;
  readonly hint: string;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** The settings in the order of the last parameters of `ADD_KEY` and `UPDATE_KEY`. */
function valuesOf({
  disabled,
  expiresAt,
  limits,
  allowedModels,
  selfRouteOnly,
}: Omit<KeySettings, 'name'>): unknown[] {
  const expiry = expiresAt === undefined ? null : new Date(expiresAt);
  return [disabled, expiry, allowedModels ?? null, selfRouteOnly, limits];
}

function settingsOf({ disabled, expiresAt, limits, allowedModels, selfRouteOnly }: SettingsRow) {
  return {
    disabled,
    selfRouteOnly,
    limits,
    ...(expiresAt !== null && { expiresAt: expiresAt.getTime() }),
    ...(allowedModels !== null && { allowedModels }),
  };
}

function recordOf(row: KeyRow, unwrittenUse: number | undefined): KeyRecord {
  const { id, account, name, hint, createdAt, revokedAt } = row;
  const lastUsedAt = unwrittenUse ?? row.lastUsedAt?.getTime();
  return {
    key: id,
    account,
    name,
    hint,
    createdAt: createdAt.getTime(),
    ...(revokedAt !== null && { revokedAt: revokedAt.getTime() }),
    ...(lastUsedAt !== undefined && { lastUsedAt }),
    ...settingsOf(row),
  };
}
