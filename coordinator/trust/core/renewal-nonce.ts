import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/**
 * Nonces that need no memory: each contains its time of expiry, and a MAC over this time and the
 * machine's id. Every copy of trust accepts the nonces of every other copy, and requests for nonces
 * cannot fill the memory.
 */
const NONCE_MS = 60_000;
const KEY_BYTES = 32;
const PURPOSE = 'd-inference renewal nonce';

const mac = (secret: Uint8Array, provider: string, expiresAt: number): Buffer =>
  createHmac('sha256', new Uint8Array(hkdfSync('sha256', secret, '', PURPOSE, KEY_BYTES)))
    .update(`${provider}\n${expiresAt}`)
    .digest();

export function newRenewalNonce(secret: Uint8Array, provider: string, now: number): string {
  const expiresAt = now + NONCE_MS;
  return `${expiresAt}.${mac(secret, provider, expiresAt).toString('base64url')}`;
}

/** Whether this nonce was made for this machine less than a minute ago. */
export function isRenewalNonce(
  secret: Uint8Array,
  { provider, nonce, now }: { provider: string; nonce: string; now: number },
): boolean {
  const [time = '', given = ''] = nonce.split('.');
  const expiresAt = Number(time);
  if (!Number.isSafeInteger(expiresAt) || now >= expiresAt) return false;
  const [expected, actual] = [mac(secret, provider, expiresAt), Buffer.from(given, 'base64url')];
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}
