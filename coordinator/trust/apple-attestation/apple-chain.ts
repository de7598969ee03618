import { timingSafeEqual } from 'node:crypto';
import {
  type Certificate,
  type CertificateFault,
  extensionIds,
  readCertificate,
} from './certificate.ts';
import { type AttestedDevice, claimIds, readDevice } from './device-claims.ts';

/**
 * Managed Device Attestation: Apple signs the properties of a machine, together with a value that
 * we chose for it.
 *
 * Invariant: only facts in the leaf of a valid chain are used. The chain must end at one of the
 * given roots, all of it must be valid at one time, and its freshness must be the requested one.
 * Apple may send a chain that it made earlier, so another freshness is no attack, but no
 * attestation of this key either.
 */
export interface AppleChain {
  /** DER, the leaf first; the root may be included or not. Nothing in it has been checked. */
  readonly chain: readonly Uint8Array[];
  /** DER of the roots that the operator trusts. */
  readonly roots: readonly Uint8Array[];
  readonly at: Date;
  readonly freshness: Uint8Array;
  /**
   * Checked for every certificate of the chain, including the root. Serial numbers are in
   * lower-case hexadecimal, without leading zeros except for one that makes the number of digits
   * even.
   */
  readonly revoked: (serialNumberHex: string) => boolean;
}

export type AppleAttestation =
  | { readonly ok: true; readonly device: AttestedDevice }
  /** The chain is valid, but the state of the device does not allow it to serve. */
  | { readonly ok: false; readonly fault: 'posture'; readonly device: AttestedDevice }
  | { readonly ok: false; readonly fault: AppleChainFault };

export type AppleChainFault =
  | CertificateFault
  /** More certificates, or larger ones, than are read at all. */
  | 'too_large'
  | 'unknown_extension'
  | 'unknown_root'
  | 'not_yet_valid'
  | 'expired'
  | 'revoked'
  | 'not_a_ca'
  /** The first certificate is itself an authority. */
  | 'not_a_leaf'
  /** More authorities stand below an authority than its path length allows. */
  | 'too_long'
  | 'wrong_issuer'
  | 'bad_signature'
  | 'stale'
  | 'missing_claim';

/** Apple sends two certificates of less than a kilobyte each. */
const MAX_CERTIFICATES = 4;
const MAX_CERTIFICATE_BYTES = 4096;

const SUPPORTED: ReadonlySet<string> = new Set([
  extensionIds.basicConstraints,
  extensionIds.keyUsage,
]);
/** The purposes of a leaf's key are not checked, because no leaf's key is used. */
const SUPPORTED_IN_LEAF: ReadonlySet<string> = new Set([
  ...SUPPORTED,
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
  const path = pathToRoot(certificates, roots.map(readRoot));
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

/** An unreadable root is an error of the operator, not of the sender. */
function readRoot(der: Uint8Array): Certificate {
  const read = readCertificate(der);
  if (typeof read === 'string')
    throw new TypeError(`a trusted Apple root certificate is not usable: ${read}`);
  return read;
}

/**
 * Completes the path with its root, whether the sender included it or not. A root is identified by
 * its bytes or by its signature, never by its name, which an attacker can copy.
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

/**
 * Checks from the root down, so that each certificate is judged by an issuer that is already
 * trusted.
 */
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
  // Written so that an invalid date counts as outside the period.
  if (!(notBefore <= at)) return 'not_yet_valid';
  if (!(at <= notAfter)) return 'expired';
  const understood = isLeaf ? SUPPORTED_IN_LEAF : SUPPORTED;
  for (const [id, { critical }] of extensions)
    if (critical && !understood.has(id)) return 'unknown_extension';
  if (isLeaf && authority !== undefined) return 'not_a_leaf';
  if (!isLeaf && authority === undefined) return 'not_a_ca';
  return revoked(x509.serialNumber.toLowerCase()) ? 'revoked' : undefined;
}

/**
 * A path length limits the number of authorities below an issuer. Below the issuer of the
 * certificate at `place` there are `place` of them.
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
