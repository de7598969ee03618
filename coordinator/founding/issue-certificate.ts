import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  Extension,
  Extensions,
  GeneralName,
  id_ce_subjectAltName,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
} from '@peculiar/asn1-x509';

/** A certificate with its private key. */
export interface IssuedCertificate {
  readonly der: Uint8Array;
  readonly name: string;
  readonly organization?: string;
  readonly key: KeyObject;
}

export interface CertificateOptions {
  readonly name: string;
  readonly organization?: string;
  readonly from: Date;
  readonly until: Date;
  /** Certificate that signs this one; if absent, the certificate signs itself. */
  readonly issuer?: Omit<IssuedCertificate, 'der'>;
  /** Present if the certificate may sign other certificates. */
  readonly authority?: { readonly pathLength?: number };
  /** Key usage of an authority; null leaves the extension out. */
  readonly keyUsage?: number | null;
  /** Random if absent. */
  readonly serial?: Uint8Array;
  /** Version as it is encoded: 2 stands for a version 3 certificate. */
  readonly version?: 0 | 1 | 2;
  /** Private key of the certificate; a new one of the kind `keys` if absent. */
  readonly key?: KeyObject;
  readonly keys?: 'P-384' | 'P-256' | 'RSA';
  readonly hash?: 'sha384' | 'sha256' | 'sha1';
  readonly extensions?: readonly CertificateExtension[];
}

export interface CertificateExtension {
  readonly id: string;
  /** The value, encoded in DER. */
  readonly value: Uint8Array;
  readonly critical?: boolean;
}

const SERIAL_BYTES = 16;
const RSA_BITS = 2048;

/** Makes a key pair and an X.509 certificate for it. */
export function issueCertificate(options: CertificateOptions): IssuedCertificate {
  const {
    name,
    organization,
    from,
    until,
    version = 2,
    serial = randomSerial(),
    keys = 'P-384',
    key: privateKey = newKey(keys),
    hash = 'sha384',
  } = options;
  const own = { name, ...(organization && { organization }), key: privateKey };
  const signer = options.issuer ?? own;
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: algorithmOf(signer.key, hash) });
  const tbsCertificate = new TBSCertificate({
    version,
    serialNumber: arrayBuffer(serial),
    signature: signatureAlgorithm,
    issuer: nameOf(signer),
    validity: new Validity({ notBefore: from, notAfter: until }),
    subject: nameOf(own),
    subjectPublicKeyInfo: AsnConvert.parse(
      createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
      SubjectPublicKeyInfo,
    ),
    extensions: new Extensions(
      [...authorityExtensions(options), ...(options.extensions ?? [])].map(extensionOf),
    ),
  });
  const signatureValue = arrayBuffer(sign(hash, derOf(tbsCertificate), signer.key));
  const der = derOf(new Certificate({ tbsCertificate, signatureAlgorithm, signatureValue }));
  return { ...own, der };
}

const newKey = (kind: 'P-384' | 'P-256' | 'RSA'): KeyObject =>
  kind === 'RSA'
    ? generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey
    : generateKeyPairSync('ec', { namedCurve: kind }).privateKey;

/** A positive integer of 127 random bits, as X.509 requires. */
function randomSerial(): Uint8Array {
  const serial = randomBytes(SERIAL_BYTES);
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  return serial;
}

function authorityExtensions({
  authority,
  keyUsage = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
}: CertificateOptions): CertificateExtension[] {
  if (authority === undefined) return [];
  const { pathLength } = authority;
  const constraints = new BasicConstraints({
    cA: true,
    ...(pathLength !== undefined && { pathLenConstraint: pathLength }),
  });
  const usage =
    keyUsage === null
      ? []
      : [{ id: '2.5.29.15', critical: true, value: derOf(new KeyUsage(keyUsage)) }];
  return [{ id: '2.5.29.19', critical: true, value: derOf(constraints) }, ...usage];
}

/** Encodes a value of X.509 in DER. */
export const derOf = (value: unknown) => new Uint8Array(AsnConvert.serialize(value));

/** A certificate in PEM. */
export const pemOf = (certificate: Uint8Array): string =>
  new X509Certificate(certificate).toString();

/** The extension with the host names and addresses that a certificate is for. */
export const subjectNames = (names: readonly string[]): CertificateExtension => ({
  id: id_ce_subjectAltName,
  value: derOf(
    new SubjectAlternativeName(
      names.map(
        (name) => new GeneralName(isIP(name) === 0 ? { dNSName: name } : { iPAddress: name }),
      ),
    ),
  ),
});

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

const extensionOf = ({ id, value, critical = false }: CertificateExtension): Extension =>
  new Extension({ extnID: id, critical, extnValue: new OctetString(arrayBuffer(value)) });

const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';

function nameOf({ name, organization }: Omit<IssuedCertificate, 'der' | 'key'>): Name {
  const part = (type: string, utf8String: string) =>
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) }),
    ]);
  return new Name([
    part(COMMON_NAME, name),
    ...(organization === undefined ? [] : [part(ORGANIZATION, organization)]),
  ]);
}

const arrayBuffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;
