import { createPrivateKey, X509Certificate } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, readOrCreate, replace } from '#bus-schemas/saved-file.ts';
import {
  authorityCertificate,
  HUB_CA_KEY_FILE,
  nameIn,
  newAuthorityKey,
} from './hub-certificates.ts';
import { HUB_CA_FILE } from './hub-config.ts';
import { RotationError } from './rotation-error.ts';

const NEXT_KEY = 'hub-ca.next.key';
const NEXT_CERTIFICATE = 'hub-ca.next.pem';
const EVERY_USER_READS = 0o644;

/**
 * The rotation of the authority of the hubs. Each step leaves certificates that every part accepts
 * which has the result of the step before, so no machine loses its hub:
 *
 * - `begin`: the old authority signs, and machines accept the old and the new one.
 * - `switch`: the new authority signs, and machines still accept both.
 * - `finish`: machines accept the new one only.
 *
 * After a crash each step can be repeated.
 */
export async function rotateHubAuthority(
  folder: string,
  step: 'begin' | 'switch' | 'finish',
  now: number,
): Promise<void> {
  const pem = await readIfThere(join(folder, HUB_CA_FILE));
  if (pem === undefined)
    throw new RotationError(`${join(folder, HUB_CA_FILE)} is missing: the hubs have no TLS.`);
  const accepted = certificatesIn(pem);
  switch (step) {
    case 'begin':
      return begin(folder, accepted, now);
    case 'switch':
      return switchOver(folder, accepted);
    case 'finish':
      return finish(folder, accepted);
  }
}

async function begin(folder: string, accepted: readonly string[], now: number): Promise<void> {
  const hasNext = (await readIfThere(join(folder, NEXT_KEY))) !== undefined;
  if (accepted.length > 1 && !hasNext)
    throw new RotationError(
      'A rotation has begun already. "dinf network rotate hub-ca --step finish" ends it.',
    );
  const [current = ''] = accepted;
  const key = createPrivateKey(await readOrCreate(join(folder, NEXT_KEY), newAuthorityKey));
  // Another name than the one before: TLS libraries find the issuer of a certificate by its name.
  const name = nameAfter(nameIn(new X509Certificate(current)));
  const next = await readOrCreate(join(folder, NEXT_CERTIFICATE), async () =>
    authorityCertificate(name, key, now),
  );
  await writeAccepted(folder, [current, next]);
}

async function switchOver(folder: string, accepted: readonly string[]): Promise<void> {
  const key = await readIfThere(join(folder, NEXT_KEY));
  const next = await readIfThere(join(folder, NEXT_CERTIFICATE));
  if (next === undefined)
    throw new RotationError(
      'No rotation has begun. "dinf network rotate hub-ca --step begin" begins one.',
    );
  const others = accepted.filter((certificate) => certificate !== next.trim());
  if (key !== undefined) await replace(join(folder, HUB_CA_KEY_FILE), key);
  await writeAccepted(folder, [next, ...others]);
  await rm(join(folder, NEXT_KEY), { force: true });
  await rm(join(folder, NEXT_CERTIFICATE), { force: true });
}

async function finish(folder: string, accepted: readonly string[]): Promise<void> {
  if ((await readIfThere(join(folder, NEXT_CERTIFICATE))) !== undefined)
    throw new RotationError(
      'The old authority still signs. "dinf network rotate hub-ca --step switch" comes first.',
    );
  const [current = ''] = accepted;
  await writeAccepted(folder, [current]);
}

const writeAccepted = (folder: string, certificates: readonly string[]): Promise<void> =>
  replace(
    join(folder, HUB_CA_FILE),
    certificates.map((certificate) => `${certificate.trim()}\n`).join(''),
    EVERY_USER_READS,
  );

/** The certificates of a file in PEM, in their order. */
const certificatesIn = (pem: string): string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];

function nameAfter(name: string): string {
  const [, base = name, number = '1'] = /^(.*?)(?: ([0-9]+))?$/.exec(name) ?? [];
  return `${base} ${Number(number) + 1}`;
}
