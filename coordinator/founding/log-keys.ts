import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ed25519Signer,
  fromHex,
  hex,
  isSame,
  type LogKeySuccession,
  newEd25519Key,
  type Signer,
  signSuccession,
} from '#bus-schemas';
import { readIfThere, readOrCreate, replace } from '#bus-schemas/saved-file.ts';
import { LOG_KEY_FILE } from './operator-home.ts';
import { RotationError } from './rotation-error.ts';

const NEXT = 'log.next.pem';
/** Names of the files with the successions of log keys, oldest first: `log-key-0001.json`. */
const SUCCESSION = /^log-key-[0-9]{4}\.json$/;

export interface LogKeys {
  /** Signs the heads of the log. */
  readonly signer: Signer;
  /** The successions from the first key to the present one, oldest first. */
  readonly successions: readonly LogKeySuccession[];
}

/** Reads the key of the log in the operator's folder, or makes the first one. */
export async function openLogKeys(folder: string): Promise<LogKeys> {
  const signer = ed25519Signer(
    await readOrCreate(join(folder, LOG_KEY_FILE), async () => newEd25519Key()),
  );
  const successions = await Promise.all(
    (await successionFiles(folder)).map(async (name) =>
      read((await readIfThere(join(folder, name))) ?? ''),
    ),
  );
  const last = successions.at(-1);
  if (last !== undefined && !isSame(last.key, signer.publicKey))
    throw new Error(
      `${join(folder, LOG_KEY_FILE)} is not the key that the last succession names. If a rotation was interrupted, repeat "dinf network rotate log"; otherwise restore the folder from a backup.`,
    );
  return { signer, successions };
}

/**
 * Makes a new key for the log, with a statement of the old key that names it. The old key is
 * overwritten, because nothing needs it any more. After a crash the call can be repeated. Returns
 * the new public key.
 */
export async function rotateLogKey(folder: string): Promise<Uint8Array> {
  const old = await readIfThere(join(folder, LOG_KEY_FILE));
  if (old === undefined)
    throw new RotationError(
      `${join(folder, LOG_KEY_FILE)} is missing: trust makes it at its first start.`,
    );
  const previous = ed25519Signer(old);
  const pem = await readOrCreate(join(folder, NEXT), async () => newEd25519Key());
  const next = ed25519Signer(pem);
  const files = await successionFiles(folder);
  const last = files.at(-1);
  const stated =
    last === undefined ? undefined : read((await readIfThere(join(folder, last))) ?? '');
  if (stated === undefined || !isSame(stated.key, next.publicKey)) {
    const number = String(files.length + 1).padStart(4, '0');
    const succession = signSuccession(previous, next.publicKey);
    await replace(join(folder, `log-key-${number}.json`), printed(succession));
  }
  await replace(join(folder, LOG_KEY_FILE), pem);
  await rm(join(folder, NEXT), { force: true });
  return next.publicKey;
}

/** Names of the files that trust needs to sign the log. */
export const logKeyFiles = async (folder: string): Promise<string[]> => [
  LOG_KEY_FILE,
  ...(await successionFiles(folder)),
];

const successionFiles = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => SUCCESSION.test(name)).toSorted();

const printed = ({ previous, key, signature }: LogKeySuccession): string =>
  `${JSON.stringify({ previous: hex(previous), key: hex(key), signature: hex(signature) }, null, 2)}\n`;

function read(text: string): LogKeySuccession {
  const { previous, key, signature } = JSON.parse(text) as Record<keyof LogKeySuccession, string>;
  return { previous: fromHex(previous), key: fromHex(key), signature: fromHex(signature) };
}
