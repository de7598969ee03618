import { hkdfSync, randomBytes } from 'node:crypto';
import { Nkey } from '#bus-schemas';

const SALT_BYTES = 32;
const RAW_KEY_BYTES = 32;
const PURPOSE = 'd-inference provider account';

export const newSalt = (): Buffer => randomBytes(SALT_BYTES);

/**
 * Derives a provider's account key, which is stored nowhere, from the operator's secret and the
 * provider's salt. A thief of the database has only salts, and a thief of the secret has no salt.
 */
export function accountKey(masterSecret: Uint8Array, salt: Uint8Array): Nkey {
  return new Nkey(
    'account',
    new Uint8Array(hkdfSync('sha256', masterSecret, salt, PURPOSE, RAW_KEY_BYTES)),
  );
}
