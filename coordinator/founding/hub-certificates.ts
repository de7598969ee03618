import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  ExtendedKeyUsage,
  id_ce_extKeyUsage,
  id_kp_clientAuth,
  id_kp_serverAuth,
} from '@peculiar/asn1-x509';
import { readIfThere, readOrCreate, replace } from '#bus-schemas/saved-file.ts';
import { expiryOf } from './certificate-expiry.ts';
import { HUB_CA_FILE, type HubTls } from './hub-config.ts';
import {
  derOf,
  type IssuedCertificate,
  issueCertificate,
  pemOf,
  subjectNames,
} from './issue-certificate.ts';

/**
 * A network has a certificate authority of its own for its hubs. Machines get its certificate when
 * they enrol and then trust no other authority for the bus. So a public authority that is tricked
 * into a certificate for the hub's name cannot pose as the hub.
 */

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const CERTIFICATE_DAYS = 397;
/** A certificate with less time left than this is replaced at the next start, in days. */
const RENEW_DAYS = 60;
/** Certificates are valid from an hour ago, because the clocks of other machines may be behind. */
const CLOCK_ERROR_MS = 3_600_000;
export const HUB_CA_KEY_FILE = 'hub-ca.key';
const NAME = 'd-inference hubs';
/** File mode of the authority's certificate, which is not secret. */
const EVERY_USER_READS = 0o644;

export interface HubAuthority {
  readonly certificateFile: string;
  /**
   * The certificates that machines and components accept. The first one signs the certificates of
   * hubs; during a rotation there is a second one.
   */
  readonly pem: string;
  readonly name: string;
  readonly key: IssuedCertificate['key'];
}

/** Reads the authority in `folder`, or makes it. The folder must be private. */
export async function prepareAuthority(folder: string, now: number): Promise<HubAuthority> {
  const certificateFile = join(folder, HUB_CA_FILE);
  const key = createPrivateKey(await readOrCreate(join(folder, HUB_CA_KEY_FILE), newAuthorityKey));
  const pem = await readOrCreate(certificateFile, async () => authorityCertificate(NAME, key, now));
  const certificate = new X509Certificate(pem);
  if (!certificate.checkPrivateKey(key))
    throw new Error(
      `${certificateFile} does not begin with the certificate of ${HUB_CA_KEY_FILE}. If a rotation was interrupted, repeat "dinf network rotate hub-ca --step switch"; otherwise restore the two files from the same backup.`,
    );
  return { certificateFile, pem, key, name: nameIn(certificate) };
}

/** Makes the private key of an authority, in PEM. */
export const newAuthorityKey = async (): Promise<string> =>
  keyPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);

/** Makes the certificate of an authority for this key, in PEM. */
export function authorityCertificate(name: string, key: KeyObject, now: number): string {
  const { der } = issueCertificate({
    name,
    ...validity(now, AUTHORITY_DAYS),
    key,
    hash: 'sha256',
    authority: { pathLength: 0 },
  });
  return pemOf(der);
}

/** The common name in the subject of a certificate. */
export const nameIn = ({ subject }: X509Certificate): string =>
  /^CN=(.*)$/m.exec(subject)?.[1] ?? NAME;

/** Names at which leaves and components on the machine of a hub reach it. */
const OWN_MACHINE = ['localhost', '127.0.0.1'];

/**
 * Makes sure that `folder` has a certificate for a hub with these names and addresses. A
 * certificate that is valid for two more months and has all of them is kept.
 */
export async function prepareHubCertificate({
  authority,
  folder,
  names,
  now,
}: {
  authority: HubAuthority;
  folder: string;
  names: readonly string[];
  now: number;
}): Promise<HubTls & { readonly isNew: boolean }> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const all = [...new Set([...names, ...OWN_MACHINE])];
  const files = {
    certificateFile: join(folder, 'hub.pem'),
    keyFile: join(folder, 'hub.key'),
    caFile: join(folder, HUB_CA_FILE),
  };
  if ((await readIfThere(files.caFile)) !== authority.pem)
    await replace(files.caFile, authority.pem, EVERY_USER_READS);
  const known = await readIfThere(files.certificateFile);
  if (known !== undefined && isUsable(known, { authority, names: all, now }))
    return { ...files, isNew: false };
  const { der, key } = issueCertificate({
    name: names[0] ?? NAME,
    ...validity(now, CERTIFICATE_DAYS),
    issuer: { name: authority.name, key: authority.key },
    keys: 'P-256',
    hash: 'sha256',
    extensions: [subjectNames(all), usage()],
  });
  await replace(files.keyFile, keyPem(key));
  await replace(files.certificateFile, pemOf(der));
  return { ...files, isNew: true };
}

function isUsable(
  pem: string,
  { authority, names, now }: { authority: HubAuthority; names: readonly string[]; now: number },
): boolean {
  const certificate = new X509Certificate(pem);
  return (
    expiryOf(pem) - now > RENEW_DAYS * DAY_MS &&
    certificate.verify(new X509Certificate(authority.pem).publicKey) &&
    names.every((name) =>
      isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
    )
  );
}

/** A hub is the server of its leaves, and the client of other hubs. */
const usage = () => ({
  id: id_ce_extKeyUsage,
  value: derOf(new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])),
});

const validity = (now: number, days: number) => ({
  from: new Date(now - CLOCK_ERROR_MS),
  until: new Date(now + days * DAY_MS),
});
const keyPem = (key: IssuedCertificate['key']) =>
  key.export({ type: 'pkcs8', format: 'pem' }) as string;
