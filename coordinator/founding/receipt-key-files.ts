import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ed25519Signer, newEd25519Key } from '#bus-schemas';
import { replace } from '#bus-schemas/saved-file.ts';
import { RECEIPT_KEYS } from './operator-home.ts';
import { RotationError } from './rotation-error.ts';

/** Names of the files with the keys of receipts, newest first: the first one signs. */
export const receiptKeyFiles = async (folder: string): Promise<string[]> =>
  (await readdir(folder))
    .filter((name) => name.endsWith('.pem'))
    .toSorted()
    .reverse();

/**
 * Adds a key that signs receipts from the next start of settlement. The keys before it stay,
 * because `GET /v1/receipts/keys` and the log name them. Returns the new public key.
 */
export async function rotateReceiptKey(keysFolder: string): Promise<Uint8Array> {
  const folder = join(keysFolder, RECEIPT_KEYS);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const [last = '0000.pem'] = await receiptKeyFiles(folder);
  const number = Number.parseInt(last, 10) + 1;
  if (!Number.isSafeInteger(number))
    throw new RotationError(`${join(folder, last)} has no number as its name: rename it first.`);
  const pem = newEd25519Key();
  await replace(join(folder, `${String(number).padStart(4, '0')}.pem`), pem);
  return ed25519Signer(pem).publicKey;
}
