import { hkdfSync, randomBytes } from 'node:crypto';
import { Nkey } from '#bus-schemas';

const SALT_BYTES = 32;
const RAW_KEY_BYTES = 32;
const PURPOSE = 'd-inference provider account';

export const newSalt = (): Buffer => randomBytes(SALT_BYTES);

/**
 * A provider's account key is kept nowhere: it follows from the operator's secret and the
 * provider's salt, and half of that gives nothing.
 */
export function accountKey(masterSecret: Uint8Array, salt: Uint8Array): Nkey {
  return new Nkey(
    'account',
    new Uint8Array(hkdfSync('sha256', masterSecret, salt, PURPOSE, RAW_KEY_BYTES)),
  );
}
