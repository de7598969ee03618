import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { credentialsLifetime, mintCredentials, Nkey, type OwnAccount, userOf } from '#bus-schemas';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { openOperatorHome, REVOKED_USERS, readRevokedUsers } from './operator-home.ts';
import { RotationError } from './rotation-error.ts';

/** Files with credentials of the bus, and the accounts whose users they are for. */
const CREDENTIALS = {
  core: { account: 'core', rights: 'all' },
  sys: { account: 'system', rights: 'all' },
  ops: { account: 'ops', rights: 'read-only' },
} as const satisfies Record<string, { account: OwnAccount; rights: 'all' | 'read-only' }>;
export type CredentialsName = keyof typeof CREDENTIALS;

const filesOf = (folder: string, name: CredentialsName) => ({
  present: join(folder, `${name}.creds`),
  /** The credentials before, while both are valid. */
  old: join(folder, `${name}.creds.old`),
});

/**
 * Makes new credentials of the bus. The old ones stay valid until the rotation is finished. After a
 * crash the call can be repeated.
 */
export async function beginCredentialsRotation(
  folder: string,
  name: CredentialsName,
): Promise<void> {
  const { present, old } = filesOf(folder, name);
  const credentials = await readIfThere(present);
  const { account, rights } = CREDENTIALS[name];
  const seed = await readIfThere(join(folder, `${account}.nk`));
  if (credentials === undefined || seed === undefined)
    throw new RotationError(
      `${seed === undefined ? join(folder, `${account}.nk`) : present} is missing. This command needs the whole folder of the keys.`,
    );
  const saved = await readIfThere(old);
  if (saved !== undefined && saved !== credentials)
    throw new RotationError(
      `A rotation of ${name}.creds has begun already. "dinf network rotate ${name}-creds --step finish" ends it.`,
    );
  await replace(old, credentials);
  await replace(present, await mintCredentials(name, Nkey.fromSeed(seed), rights));
}

/**
 * Revokes the old credentials: `publish` sends the token of their account, which names their user,
 * to the hubs. The user also stays in a file, because hubs that lost their accounts get them from
 * their configuration. After an error the call can be repeated.
 */
export async function finishCredentialsRotation(
  folder: string,
  name: CredentialsName,
  {
    now,
    publish,
  }: { readonly now: number; readonly publish: (accountJwt: string) => Promise<void> },
): Promise<void> {
  const { present, old } = filesOf(folder, name);
  const credentials = await readIfThere(old);
  if (credentials !== undefined && credentials === (await readIfThere(present)))
    throw new RotationError(
      `The rotation was interrupted. Repeat "dinf network rotate ${name}-creds --step begin" first.`,
    );
  if (credentials === undefined)
    throw new RotationError(
      `No rotation of ${name}.creds has begun. "dinf network rotate ${name}-creds --step begin" begins one.`,
    );
  const { account } = CREDENTIALS[name];
  // Hubs refuse credentials that were issued until this time, by the clock that issued them.
  const until = Math.max(now, credentialsLifetime(credentials).issuedAt);
  const revoked = await readRevokedUsers(folder);
  const users = { ...revoked[account], [userOf(credentials)]: Math.floor(until / 1_000) };
  await replace(join(folder, REVOKED_USERS), JSON.stringify({ ...revoked, [account]: users }));
  await publish((await openOperatorHome(folder)).jwts[account]);
  await rm(old);
}
