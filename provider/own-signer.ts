import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { newP256Key, p256Signer, type Signer } from '#bus-schemas';
import { readIfThere, writePrivate } from './private-file.ts';

/** The key that this provider signs its work with: made at its first start, kept in its folder, in software. */
export async function ownSigner(home: string): Promise<Signer> {
  const file = join(home, 'signing.pem');
  const known = await readIfThere(file);
  if (known !== undefined) return p256Signer(known);
  const made = newP256Key();
  await mkdir(home, { recursive: true, mode: 0o700 });
  await writePrivate(file, made);
  return p256Signer(made);
}
