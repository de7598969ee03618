import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from '#bus-schemas';
import { verifyAppleChain } from './apple-chain.ts';

export interface AppleVouchingOptions {
  /** Files in PEM; Apple's own where none is named. */
  readonly rootFiles: readonly string[];
  /** Serial numbers of certificates that we do not take any more, in lower-case hexadecimal. */
  readonly revoked: readonly string[];
  readonly now: () => number;
}

const APPLE = join(import.meta.dirname, 'apple-enterprise-attestation-root.pem');

/** Whether Apple says that the signing key belongs to a device of its own, and that nothing which protects it is off. */
export function appleVouching({ rootFiles, revoked, now }: AppleVouchingOptions): (evidence: Evidence) => boolean {
  const roots = (rootFiles.length > 0 ? rootFiles : [APPLE]).map((file) => new X509Certificate(readFileSync(file)).raw);
  const gone = new Set(revoked);
  return ({ certificates = [], signingKey }) =>
    verifyAppleChain({
      chain: certificates,
      roots,
      at: new Date(now()),
      // Apple signs what it was asked to: the key's digest, so that the certificates of one device are of no use to another.
      freshness: createHash('sha256').update(signingKey).digest(),
      revoked: (serial) => gone.has(serial),
    }).ok;
}
