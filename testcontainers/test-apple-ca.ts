import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  Extension,
  Extensions,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
} from '@peculiar/asn1-x509';

/**
 * Replaces Apple's attestation servers, which sign only for real machines. It signs every
 * certificate that a test needs, valid or not.
 */
export class TestAppleCa {
  static readonly ROOT_NAME = 'Apple Enterprise Attestation Root CA';
  static readonly INTERMEDIATE_NAME = 'Apple Enterprise Attestation Sub CA 1';
  readonly #validity: TestValidity;
  readonly root: TestCertificate;
  readonly intermediate: TestCertificate;

  constructor(validity: TestValidity) {
    this.#validity = validity;
    this.root = issueCertificate({ ...validity, name: TestAppleCa.ROOT_NAME, authority: {} });
    this.intermediate = this.issue({
      name: TestAppleCa.INTERMEDIATE_NAME,
      issuer: this.root,
      authority: { pathLength: 0 },
    });
  }

  /** Issues a certificate, signed by the intermediate unless the options name another issuer. */
  issue(options: Partial<TestCertificateOptions> & { name: string }): TestCertificate {
    return issueCertificate({ ...this.#validity, issuer: this.intermediate, ...options });
  }

  /** Returns the chain that a machine answers with: leaf and intermediate certificate, in DER. */
  attest(
    device: TestDevice,
    options: Partial<TestCertificateOptions> = {},
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

export interface TestCertificate {
  readonly der: Uint8Array;
  readonly name: string;
  readonly key: KeyObject;
}

export interface TestCertificateOptions extends TestValidity {
  readonly name: string;
  /** Certificate that signs this one; if absent, the certificate signs itself. */
  readonly issuer?: TestCertificate;
  readonly authority?: { readonly pathLength?: number };
  /** Key usage of an authority; null leaves the extension out. */
  readonly keyUsage?: number | null;
  readonly serial?: Uint8Array;
  /** Version as it is encoded: 2 stands for a version 3 certificate. */
  readonly version?: 0 | 1 | 2;
  readonly keys?: 'P-384' | 'P-256' | 'RSA';
  readonly hash?: 'sha384' | 'sha256' | 'sha1';
  readonly extensions?: readonly TestExtension[];
}

export interface TestExtension {
  readonly id: string;
  readonly value: Uint8Array;
  readonly critical?: boolean;
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
}: TestDevice): TestExtension[] {
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

export function issueCertificate(options: TestCertificateOptions): TestCertificate {
  const {
    name,
    from,
    until,
    version = 2,
    serial = Uint8Array.of(1),
    keys = 'P-384',
    hash = 'sha384',
  } = options;
  const { privateKey, publicKey } =
    keys === 'RSA'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: keys });
  const signer = options.issuer ?? { name, key: privateKey };
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: algorithmOf(signer.key, hash) });
  const tbsCertificate = new TBSCertificate({
    version,
    serialNumber: arrayBuffer(serial),
    signature: signatureAlgorithm,
    issuer: nameOf(signer.name),
    validity: new Validity({ notBefore: from, notAfter: until }),
    subject: nameOf(name),
    subjectPublicKeyInfo: AsnConvert.parse(
      publicKey.export({ type: 'spki', format: 'der' }),
      SubjectPublicKeyInfo,
    ),
    extensions: new Extensions(
      [...authorityExtensions(options), ...(options.extensions ?? [])].map(extensionOf),
    ),
  });
  const signatureValue = arrayBuffer(
    sign(hash, new Uint8Array(AsnConvert.serialize(tbsCertificate)), signer.key),
  );
  const der = new Uint8Array(
    AsnConvert.serialize(new Certificate({ tbsCertificate, signatureAlgorithm, signatureValue })),
  );
  return { der, name, key: privateKey };
}

function authorityExtensions({
  authority,
  keyUsage = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
}: TestCertificateOptions): TestExtension[] {
  if (authority === undefined) return [];
  const { pathLength } = authority;
  const constraints = new BasicConstraints({
    cA: true,
    ...(pathLength !== undefined && { pathLenConstraint: pathLength }),
  });
  const usage =
    keyUsage === null
      ? []
      : [
          {
            id: '2.5.29.15',
            critical: true,
            value: new Uint8Array(AsnConvert.serialize(new KeyUsage(keyUsage))),
          },
        ];
  return [
    { id: '2.5.29.19', critical: true, value: new Uint8Array(AsnConvert.serialize(constraints)) },
    ...usage,
  ];
}

const ALGORITHMS = {
  ec: { sha1: '1.2.840.10045.4.1', sha256: '1.2.840.10045.4.3.2', sha384: '1.2.840.10045.4.3.3' },
  rsa: {
    sha1: '1.2.840.113549.1.1.5',
    sha256: '1.2.840.113549.1.1.11',
    sha384: '1.2.840.113549.1.1.12',
  },
} as const;

const algorithmOf = (
  { asymmetricKeyType }: KeyObject,
  hash: 'sha384' | 'sha256' | 'sha1',
): string => ALGORITHMS[asymmetricKeyType === 'rsa' ? 'rsa' : 'ec'][hash];

const extensionOf = ({ id, value, critical = false }: TestExtension): Extension =>
  new Extension({ extnID: id, critical, extnValue: new OctetString(arrayBuffer(value)) });

function nameOf(commonName: string): Name {
  const part = (type: string, utf8String: string) =>
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) }),
    ]);
  return new Name([part('2.5.4.3', commonName), part('2.5.4.10', 'Apple Inc.')]);
}

const text = (value: string | undefined): Uint8Array | undefined =>
  value === undefined ? undefined : Buffer.from(value);

const arrayBuffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;
