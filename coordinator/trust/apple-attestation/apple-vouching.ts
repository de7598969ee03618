import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from '#bus-schemas';
import { type AppleAttestation, verifyAppleChain } from './apple-chain.ts';

export interface AppleVouchingOptions {
  /** Files in PEM; Apple's own where none is named. */
  readonly rootFiles: readonly string[];
  /** Serial numbers of certificates that we do not take any more, in lower-case hexadecimal. */
  readonly revoked: readonly string[];
  readonly now: () => number;
}

export interface AppleVouching {
  /** What Apple says of the device with this signing key. */
  readonly verify: (chain: readonly Uint8Array[], signingKey: Uint8Array) => AppleAttestation;
  /**
   * Whether Apple says that the signing key belongs to a device of its own, and that nothing which
   * protects it is off: in the evidence, or
   * in certificates that were kept. Those may have run out, which is nobody's lie: then it is as if
   * there were none.
   */
  readonly vouched: (evidence: Evidence, kept?: readonly Uint8Array[]) => boolean | undefined;
}

const APPLE = join(import.meta.dirname, 'apple-enterprise-attestation-root.pem');

export function appleVouching({ rootFiles, revoked, now }: AppleVouchingOptions): AppleVouching {
  const roots = (rootFiles.length > 0 ? rootFiles : [APPLE]).map(
    (file) => new X509Certificate(readFileSync(file)).raw,
  );
  const gone = new Set(revoked);
  const verify: AppleVouching['verify'] = (chain, signingKey) =>
    verifyAppleChain({
      chain,
      roots,
      at: new Date(now()),
      // Apple signs what it was asked to: the key's digest, so that the certificates of one device
      // are of no use to another.
      freshness: createHash('sha256').update(signingKey).digest(),
      revoked: (serial) => gone.has(serial),
    });
  return {
    verify,
    vouched: ({ certificates, signingKey }, kept) => {
      if (certificates !== undefined) return verify(certificates, signingKey).ok;
      return kept !== undefined && verify(kept, signingKey).ok ? true : undefined;
    },
  };
}
