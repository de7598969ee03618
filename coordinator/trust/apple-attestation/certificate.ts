import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  BasicConstraints,
  KeyUsage,
  KeyUsageFlags,
  Certificate as Parsed,
} from '@peculiar/asn1-x509';

/** The contents of one certificate. They are trustworthy only after its chain has been verified. */
export interface Certificate {
  /** OpenSSL's view. Names and signatures are compared only here. */
  readonly x509: X509Certificate;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Undefined if the certificate may not sign others. */
  readonly authority: { readonly pathLength: number } | undefined;
  readonly extensions: ReadonlyMap<string, Extension>;
}

export interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export type CertificateFault = 'malformed' | 'unknown_algorithm';

export const extensionIds = {
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
} as const;

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const ECDSA_WITH_SHA384 = '1.2.840.10045.4.3.3';
const ALGORITHMS: readonly string[] = [ECDSA_WITH_SHA256, ECDSA_WITH_SHA384];
/**
 * OpenSSL's names of P-256 and P-384. A key with explicit curve parameters has no name and is
 * rejected; an attacker could choose parameters that let them forge signatures.
 */
const CURVES: readonly (string | undefined)[] = ['prime256v1', 'secp384r1'];
const VERSION_3 = 2;

/**
 * Returns 'malformed' for a certificate that one of the two libraries cannot read, or that they
 * read from different bytes.
 */
export function readCertificate(der: Uint8Array): Certificate | CertificateFault {
  try {
    const x509 = new X509Certificate(der);
    // OpenSSL also reads PEM, and stops at the end of the first certificate. Extra bytes would be
    // read by only one of the libraries.
    if (!x509.raw.equals(der)) return 'malformed';
    const { tbsCertificate: tbs, signatureAlgorithm } = AsnConvert.parse(der, Parsed);
    const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
    if (asymmetricKeyType !== 'ec' || !CURVES.includes(asymmetricKeyDetails?.namedCurve))
      return 'unknown_algorithm';
    if (!ALGORITHMS.includes(signatureAlgorithm.algorithm)) return 'unknown_algorithm';
    const listed = tbs.extensions ?? [];
    const extensions = new Map(
      listed.map(({ extnID, critical, extnValue }) => [
        extnID,
        { critical, value: new Uint8Array(extnValue.buffer) },
      ]),
    );
    // If an extension occurs twice, two readers could use different values.
    if (extensions.size !== listed.length || tbs.version !== VERSION_3) return 'malformed';
    return {
      x509,
      notBefore: tbs.validity.notBefore.getTime(),
      notAfter: tbs.validity.notAfter.getTime(),
      authority: authorityIn(extensions),
      extensions,
    };
  } catch {
    return 'malformed';
  }
}

function authorityIn(extensions: ReadonlyMap<string, Extension>): Certificate['authority'] {
  const constraints = extensions.get(extensionIds.basicConstraints);
  if (constraints === undefined) return undefined;
  const { cA, pathLenConstraint = Number.POSITIVE_INFINITY } = AsnConvert.parse(
    constraints.value,
    BasicConstraints,
  );
  const usage = extensions.get(extensionIds.keyUsage);
  const mayNotSign =
    usage !== undefined &&
    (AsnConvert.parse(usage.value, KeyUsage).toNumber() & KeyUsageFlags.keyCertSign) === 0;
  return cA && !mayNotSign ? { pathLength: pathLenConstraint } : undefined;
}
