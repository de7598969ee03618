import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  isReadOnly,
  isSigningKey,
  mintCredentials,
  mintOperator,
  mintOwnAccounts,
  Nkey,
  newEd25519Key,
  type OperatorJwts,
  type OperatorKeys,
  type RevokedUsers,
  signingKeysOf,
} from '#bus-schemas';
import { CodedError } from '#bus-schemas/coded-error.ts';
import { readIfThere, readOrCreate, replace } from '#bus-schemas/saved-file.ts';

/** The keys of a network and the tokens that they sign. */
export interface OperatorHome {
  readonly keys: OperatorKeys;
  readonly jwts: OperatorJwts;
  /** The account key of each provider is derived from this secret and a salt. */
  readonly masterSecret: Uint8Array;
  /** Hubs still accept accounts that the signing key before the present one has signed. */
  readonly isRotating: boolean;
}

export class NotFoundedError extends CodedError<'not_founded'> {
  constructor(message: string, options?: ErrorOptions) {
    super('not_founded', message, options);
  }
}

/** Users whose credentials were replaced. Hubs refuse them. */
export const REVOKED_USERS = 'revoked-users.json';

export const readRevokedUsers = async (folder: string): Promise<RevokedUsers> =>
  JSON.parse((await readIfThere(join(folder, REVOKED_USERS))) ?? '{}') as RevokedUsers;

const MASTER_BYTES = 32;
export const IDENTITY = 'operator.nk';
export const SIGNING = 'operator-signing.nk';
export const OPERATOR_JWT = 'operator.jwt';
const MASTER = 'provider-accounts.secret';
/** Files of the folder of the keys that trust reads, besides those that every component reads. */
export const trustFiles: readonly string[] = [
  SIGNING,
  OPERATOR_JWT,
  MASTER,
  'system.nk',
  'core.nk',
  'ops.nk',
  'sys.creds',
];

/**
 * Makes the keys of a network in `folder`. Existing files are kept, so the call can be repeated at
 * every start, and after a crash between two files. The files have the mode 0600, the folder 0700.
 * Once `operator.jwt` exists, the identity key (`operator.nk`) is not needed and can be stored
 * offline.
 */
export async function prepareOperatorHome(folder: string): Promise<OperatorHome> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const make = async (file: string, kind: 'operator' | 'account') =>
    Nkey.fromSeed(await readOrCreate(join(folder, file), async () => Nkey.create(kind).seed));
  const signing = await make(SIGNING, 'operator');
  const system = await make('system.nk', 'account');
  const isNew = (await readIfThere(join(folder, OPERATOR_JWT))) === undefined;
  // Only in a new network: another folder may already have the keys of an old one.
  if (isNew) await prepareSigningKeys(folder);
  await readOrCreate(join(folder, OPERATOR_JWT), async () =>
    mintOperator(await make(IDENTITY, 'operator'), {
      signingKeys: [signing.getPublicKey()],
      system,
    }),
  );
  const core = await make('core.nk', 'account');
  const ops = await make('ops.nk', 'account');
  await readOrCreate(join(folder, 'core.creds'), () => mintCredentials('core', core, 'all'));
  await readOrCreate(join(folder, 'sys.creds'), () => mintCredentials('system', system, 'all'));
  const opsCredentials = join(folder, 'ops.creds');
  const mintOps = () => mintCredentials('ops', ops, 'read-only');
  if (!isReadOnly(await readOrCreate(opsCredentials, mintOps)))
    await replace(opsCredentials, await mintOps());
  await readOrCreate(join(folder, MASTER), async () =>
    randomBytes(MASTER_BYTES).toString('base64url'),
  );
  return openOperatorHome(folder);
}

/** File in the folder of the keys with the key that signs the transparency log. */
export const LOG_KEY_FILE = 'log.pem';
/** Folder in the folder of the keys with the keys that sign receipts. */
export const RECEIPT_KEYS = 'receipts';
export const FIRST_RECEIPT_KEY = '0001.pem';

/**
 * Makes the keys of trust and settlement, so that several processes can share them and can read
 * them from a place where they cannot write.
 */
async function prepareSigningKeys(folder: string): Promise<void> {
  await readOrCreate(join(folder, LOG_KEY_FILE), async () => newEd25519Key());
  const receipts = join(folder, RECEIPT_KEYS);
  await mkdir(receipts, { recursive: true, mode: 0o700 });
  await readOrCreate(join(receipts, FIRST_RECEIPT_KEY), async () => newEd25519Key());
}

/**
 * Reads the keys of a network that exists. A missing file is an error: a coordinator that made new
 * keys would sign accounts that no hub of the network accepts.
 */
export async function openOperatorHome(folder: string): Promise<OperatorHome> {
  const read = async (file: string): Promise<string> => {
    const text = await readIfThere(join(folder, file));
    if (text !== undefined) return text;
    throw new NotFoundedError(
      `There is no network in ${folder}: ${file} is missing. Found one with "dinf network init", or copy its keys to this folder.`,
    );
  };
  const key = async (file: string) => Nkey.fromSeed(await read(file));
  const keys: OperatorKeys = {
    signing: await key(SIGNING),
    system: await key('system.nk'),
    core: await key('core.nk'),
    ops: await key('ops.nk'),
  };
  const operator = await read(OPERATOR_JWT);
  if (!isSigningKey(operator, keys.signing))
    throw new Error(
      `${join(folder, OPERATOR_JWT)} does not name the key in ${SIGNING}, so hubs would refuse the accounts that it signs. Restore the two files from the same backup.`,
    );
  return {
    keys,
    jwts: { operator, ...(await mintOwnAccounts(keys, await readRevokedUsers(folder))) },
    isRotating: signingKeysOf(operator).length > 1,
    masterSecret: Buffer.from(await read(MASTER), 'base64url'),
  };
}
