import { timingSafeEqual } from 'node:crypto';
import {
  type Certificate,
  type CertificateFault,
  extensionIds,
  readCertificate,
} from './certificate.ts';
import { type AttestedDevice, claimIds, readDevice } from './device-claims.ts';

/**
 * Managed Device Attestation: Apple signs what a machine is, together with a value that we chose
 * for it.
 *
 * Invariant: nothing is told of a device but what is in the leaf of a chain that ends at a root
 * that was handed in, all of
 * it valid at one time, and whose freshness is the one that was asked for. Apple may send one that
 * it made earlier, so
 * another freshness is no attack; it is no attestation of this key either.
 */
export interface AppleChain {
  /** DER, the leaf first; the root may be there or not. Nobody has looked at it before. */
  readonly chain: readonly Uint8Array[];
  /** DER of the roots that the operator trusts. */
  readonly roots: readonly Uint8Array[];
  readonly at: Date;
  readonly freshness: Uint8Array;
  /**
   * Asked for all of the chain, root included; in lower-case hex, without leading zeros but for one
   * that makes it even.
   */
  readonly revoked: (serialNumberHex: string) => boolean;
}

export type AppleAttestation =
  | { readonly ok: true; readonly device: AttestedDevice }
  /** Apple says it, and it is not what may serve. */
  | { readonly ok: false; readonly fault: 'posture'; readonly device: AttestedDevice }
  | { readonly ok: false; readonly fault: AppleChainFault };

export type AppleChainFault =
  | CertificateFault
  /** More, or larger, certificates than we read at all. */
  | 'too_large'
  | 'unknown_extension'
  | 'unknown_root'
  | 'not_yet_valid'
  | 'expired'
  | 'revoked'
  | 'not_a_ca'
  /** The first is an authority itself. */
  | 'not_a_leaf'
  /** More stands below an authority than it may have below it. */
  | 'too_long'
  | 'wrong_issuer'
  | 'bad_signature'
  | 'stale'
  | 'missing_claim';

/** Apple sends two, of less than a kilobyte each. */
const MAX_CERTIFICATES = 4;
const MAX_CERTIFICATE_BYTES = 4096;

const UNDERSTOOD: ReadonlySet<string> = new Set([
  extensionIds.basicConstraints,
  extensionIds.keyUsage,
]);
/** What a leaf's key may be used for is not our concern: we use no leaf's key. */
const UNDERSTOOD_IN_LEAF: ReadonlySet<string> = new Set([
  ...UNDERSTOOD,
  extensionIds.extendedKeyUsage,
  ...Object.values(claimIds),
]);

export function verifyAppleChain({
  chain,
  roots,
  at,
  freshness,
  revoked,
}: AppleChain): AppleAttestation {
  const fails = (fault: AppleChainFault): AppleAttestation => ({ ok: false, fault });
  if (chain.length > MAX_CERTIFICATES || chain.some(({ length }) => length > MAX_CERTIFICATE_BYTES))
    return fails('too_large');
  const certificates: Certificate[] = [];
  for (const der of chain) {
    const read = readCertificate(der);
    if (typeof read === 'string') return fails(read);
    certificates.push(read);
  }
  const [leaf] = certificates;
  if (leaf === undefined) return fails('malformed');
  const path = pathToRoot(certificates, roots.map(trusted));
  if (path === undefined) return fails('unknown_root');
  const fault = faultOfPath(path, at, revoked);
  if (fault !== undefined) return fails(fault);

  const fresh = leaf.extensions.get(claimIds.freshness);
  if (fresh === undefined) return fails('missing_claim');
  if (!isSame(fresh.value, freshness)) return fails('stale');
  const device = readDevice(leaf.extensions);
  if (device === undefined) return fails('missing_claim');
  if (!device.sipEnabled || device.secureBoot !== 'full')
    return { ok: false, fault: 'posture', device };
  return { ok: true, device };
}

/** A root that cannot be read is the operator's fault, not the sender's. */
function trusted(der: Uint8Array): Certificate {
  const read = readCertificate(der);
  if (typeof read === 'string') throw new TypeError(`a trusted root is ${read}`);
  return read;
}

/**
 * With the root at its end, whoever put it there: bytes that are a root's, or a root's signature,
 * say which one it is; a name does not.
 */
function pathToRoot(
  certificates: readonly Certificate[],
  roots: readonly Certificate[],
): readonly Certificate[] | undefined {
  const last = certificates.at(-1);
  if (last === undefined) return undefined;
  if (roots.some(({ x509 }) => x509.raw.equals(last.x509.raw))) return certificates;
  const root = roots.find(
    ({ x509 }) => last.x509.checkIssued(x509) && last.x509.verify(x509.publicKey),
  );
  return root && [...certificates, root];
}

/** From the root down, so that each is judged by what is known to be trusted. */
function faultOfPath(
  path: readonly Certificate[],
  at: Date,
  revoked: AppleChain['revoked'],
): AppleChainFault | undefined {
  let issuer: Certificate | undefined;
  for (const [place, certificate] of [...path.entries()].reverse()) {
    const fault =
      faultOfOne(certificate, { isLeaf: place === 0, at, revoked }) ??
      faultOfLink(certificate, issuer, place);
    if (fault !== undefined) return fault;
    issuer = certificate;
  }
  return undefined;
}

function faultOfOne(
  { x509, notBefore, notAfter, authority, extensions }: Certificate,
  { isLeaf, at, revoked }: Pick<AppleChain, 'at' | 'revoked'> & { isLeaf: boolean },
): AppleChainFault | undefined {
  // Asked so that a date which is none is never within.
  if (!(notBefore <= at)) return 'not_yet_valid';
  if (!(at <= notAfter)) return 'expired';
  const understood = isLeaf ? UNDERSTOOD_IN_LEAF : UNDERSTOOD;
  for (const [id, { critical }] of extensions)
    if (critical && !understood.has(id)) return 'unknown_extension';
  if (isLeaf && authority !== undefined) return 'not_a_leaf';
  if (!isLeaf && authority === undefined) return 'not_a_ca';
  return revoked(x509.serialNumber.toLowerCase()) ? 'revoked' : undefined;
}

/**
 * A path length counts the authorities below one, and of these the one at `place` is the first of
 * `place`.
 */
function faultOfLink(
  { x509 }: Certificate,
  issuer: Certificate | undefined,
  place: number,
): AppleChainFault | undefined {
  if (issuer === undefined) return undefined;
  if (place > (issuer.authority?.pathLength ?? 0)) return 'too_long';
  if (!x509.checkIssued(issuer.x509)) return 'wrong_issuer';
  return x509.verify(issuer.x509.publicKey) ? undefined : 'bad_signature';
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other);
