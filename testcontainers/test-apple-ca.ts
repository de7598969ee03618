import {
  type CertificateExtension,
  type CertificateOptions,
  type IssuedCertificate,
  issueCertificate,
} from '#coordinator/founding/issue-certificate.ts';

const ORGANIZATION = 'Apple Inc.';
const SERIAL = Uint8Array.of(1);

/**
 * Replaces Apple's attestation servers, which sign only for real machines. It signs every
 * certificate that a test needs, valid or not.
 */
export class TestAppleCa {
  static readonly ROOT_NAME = 'Apple Enterprise Attestation Root CA';
  static readonly INTERMEDIATE_NAME = 'Apple Enterprise Attestation Sub CA 1';
  readonly #validity: TestValidity;
  readonly root: IssuedCertificate;
  readonly intermediate: IssuedCertificate;

  constructor(validity: TestValidity) {
    this.#validity = validity;
    this.root = issueCertificate({
      ...validity,
      organization: ORGANIZATION,
      serial: SERIAL,
      name: TestAppleCa.ROOT_NAME,
      authority: {},
    });
    this.intermediate = this.issue({
      name: TestAppleCa.INTERMEDIATE_NAME,
      issuer: this.root,
      authority: { pathLength: 0 },
    });
  }

  /** Issues a certificate, signed by the intermediate unless the options name another issuer. */
  issue(options: Partial<CertificateOptions> & { name: string }): IssuedCertificate {
    return issueCertificate({
      ...this.#validity,
      organization: ORGANIZATION,
      serial: SERIAL,
      issuer: this.intermediate,
      ...options,
    });
  }

  /** Returns the chain that a machine answers with: leaf and intermediate certificate, in DER. */
  attest(
    device: TestDevice,
    options: Partial<CertificateOptions> = {},
  ): [leaf: Uint8Array, intermediate: Uint8Array] {
    const leaf = this.issue({
      name: device.serialNumber ?? 'nobody',
      extensions: deviceExtensions(device),
      ...options,
    });
    return [leaf.der, this.intermediate.der];
  }
}

export interface TestValidity {
  readonly from: Date;
  readonly until: Date;
}

/** Properties of a device, encoded as Apple encodes them; absent ones are left out. */
export interface TestDevice {
  readonly serialNumber?: string;
  readonly udid?: string;
  readonly osVersion?: string;
  readonly freshness?: Uint8Array;
  /** State of System Integrity Protection: 0 means that it is enabled. */
  readonly sip?: number;
  readonly secureBoot?: string;
}

export function deviceExtensions({
  serialNumber,
  udid,
  osVersion,
  freshness,
  sip,
  secureBoot,
}: TestDevice): CertificateExtension[] {
  const values: [string, Uint8Array | undefined][] = [
    ['1.2.840.113635.100.8.9.1', text(serialNumber)],
    ['1.2.840.113635.100.8.9.2', text(udid)],
    ['1.2.840.113635.100.8.10.1', text(osVersion)],
    ['1.2.840.113635.100.8.11.1', freshness],
    ['1.2.840.113635.100.8.13.1', sip === undefined ? undefined : Uint8Array.of(2, 1, sip)],
    ['1.2.840.113635.100.8.13.2', text(secureBoot)],
  ];
  return values.flatMap(([id, value]) => (value ? [{ id, value }] : []));
}

const text = (value: string | undefined): Uint8Array | undefined =>
  value === undefined ? undefined : Buffer.from(value);
