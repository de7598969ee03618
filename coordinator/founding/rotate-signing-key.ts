import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mintOperator, Nkey, signingKeysOf } from '#bus-schemas';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { IDENTITY, OPERATOR_JWT, SIGNING } from './operator-home.ts';
import { RotationError } from './rotation-error.ts';

/** The next signing key, until the operator's token names it. */
const NEXT = 'operator-signing.next.nk';

/**
 * Begins the rotation of the key that signs the accounts of the bus: a new key is made, and the
 * operator's token names both. Hubs then accept accounts of the old and the new key. After a crash
 * the call can be repeated. Returns the public key of the new key.
 */
export async function beginSigningRotation(folder: string): Promise<string> {
  const token = await tokenIn(folder);
  const [current, ...others] = signingKeysOf(token);
  const unfinished = await readIfThere(join(folder, NEXT));
  if (current === undefined || (others.length > 0 && unfinished === undefined))
    throw new RotationError(
      'A rotation of the signing key has begun already. "dinf network rotate signing --step finish" ends it.',
    );
  const next = unfinished === undefined ? Nkey.create('operator') : Nkey.fromSeed(unfinished);
  const publicKey = next.getPublicKey();
  if (unfinished === undefined) await replace(join(folder, NEXT), next.seed);
  if (others.length === 0) await writeToken(folder, [publicKey, current]);
  // Last: from now on accounts are signed with the new key.
  await rename(join(folder, NEXT), join(folder, SIGNING));
  return publicKey;
}

/**
 * Ends the rotation: the operator's token names the new key only. Hubs with this token refuse
 * accounts that the old key has signed, so all accounts must be signed again before.
 */
export async function finishSigningRotation(folder: string): Promise<void> {
  const [current, ...others] = signingKeysOf(await tokenIn(folder));
  if (current === undefined || others.length === 0)
    throw new RotationError(
      'No rotation of the signing key has begun. "dinf network rotate signing --step begin" begins one.',
    );
  if ((await readIfThere(join(folder, NEXT))) !== undefined)
    throw new RotationError(
      'The rotation was interrupted. Repeat "dinf network rotate signing --step begin" first.',
    );
  await writeToken(folder, [current]);
  await rm(join(folder, NEXT), { force: true });
}

async function tokenIn(folder: string): Promise<string> {
  const token = await readIfThere(join(folder, OPERATOR_JWT));
  if (token === undefined)
    throw new RotationError(`There is no network in ${folder}: ${OPERATOR_JWT} is missing.`);
  return token;
}

/** Only the identity key can change which keys the hubs trust. */
async function writeToken(folder: string, signingKeys: readonly string[]): Promise<void> {
  const seed = await readIfThere(join(folder, IDENTITY));
  const system = await readIfThere(join(folder, 'system.nk'));
  if (seed === undefined || system === undefined)
    throw new RotationError(
      `${join(folder, seed === undefined ? IDENTITY : 'system.nk')} is missing. Copy it there for this command; ${IDENTITY} is stored offline otherwise.`,
    );
  const token = await mintOperator(Nkey.fromSeed(seed), {
    signingKeys,
    system: Nkey.fromSeed(system),
  });
  await replace(join(folder, OPERATOR_JWT), token);
}
