import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Evidence } from '#bus-schemas';
import type { AppleAttestation } from './apple-chain.ts';

export interface AppleVouchingOptions {
  /** PEM files; without any, Apple's own root is used. */
  readonly rootFiles: readonly string[];
  /** Serial numbers of certificates that are no longer accepted, in lower-case hexadecimal. */
  readonly revoked: readonly string[];
  readonly now: () => number;
}

export interface AppleVouching {
  /** Apple's statement about the device with this signing key. */
  readonly verify: (chain: readonly Uint8Array[], signingKey: Uint8Array) => AppleAttestation;
  /**
   * Whether Apple confirms that the signing key belongs to one of its devices with all protections
   * on: by certificates in the evidence, or by stored ones. Stored certificates may have expired,
   * which is not the machine's fault: they then count as absent.
   */
  readonly vouched: (evidence: Evidence, kept?: readonly Uint8Array[]) => boolean | undefined;
}

/** Loaded at its first use: a network without Macs needs none of the 80 modules that read certificates. */
const chains = (): typeof import('./apple-chain.ts') =>
  createRequire(import.meta.url)('./apple-chain.ts');

const APPLE = join(import.meta.dirname, 'apple-enterprise-attestation-root.pem');

export function appleVouching({ rootFiles, revoked, now }: AppleVouchingOptions): AppleVouching {
  const roots = (rootFiles.length > 0 ? rootFiles : [APPLE]).map(
    (file) => new X509Certificate(readFileSync(file)).raw,
  );
  const revokedSerials = new Set(revoked);
  const verify: AppleVouching['verify'] = (chain, signingKey) =>
    chains().verifyAppleChain({
      chain,
      roots,
      at: new Date(now()),
      // Apple signs the value that it was sent, here the digest of the key. The certificates of one
      // device are therefore useless to another device.
      freshness: createHash('sha256').update(signingKey).digest(),
      revoked: (serial) => revokedSerials.has(serial),
    });
  return {
    verify,
    vouched: ({ certificates, signingKey }, kept) => {
      if (certificates !== undefined) return verify(certificates, signingKey).ok;
      return kept !== undefined && verify(kept, signingKey).ok ? true : undefined;
    },
  };
}
