import type { Extension } from './certificate.ts';

/** What Apple says of the machine whose attestation it signed. */
export interface AttestedDevice {
  readonly serialNumber: string;
  /** The provisioning UDID, which on a Mac is not the one that MDM commands go by. */
  readonly udid: string;
  readonly sipEnabled: boolean;
  readonly secureBoot: SecureBoot;
  readonly osVersion?: string;
}

type SecureBoot = 'full' | 'reduced' | 'permissive';

/**
 * Apple documents what these mean (DeviceInformationResponse.QueryResponses,
 * DevicePropertiesAttestation), not how they
 * are written. What is known comes from others who have published what live certificates hold:
 * - freshness: the 32 bytes as they are, with no DER around them (step-ca compares them so, too);
 * - serial number, UDID, OS version: text as it is, with no DER around it;
 * - SIP: a DER INTEGER, 0 where it is on. Apple documents 1 for off; whatever is not 0 is off here;
 * - secure boot: one of three texts as they are, with no DER around them.
 * Only "on" and "Full Security" were seen live; the other values are as documented. All else reads
 * as if it were not there:
 * an encoding that we do not know proves nothing.
 */
export const claimIds = {
  serialNumber: '1.2.840.113635.100.8.9.1',
  udid: '1.2.840.113635.100.8.9.2',
  osVersion: '1.2.840.113635.100.8.10.1',
  freshness: '1.2.840.113635.100.8.11.1',
  sip: '1.2.840.113635.100.8.13.1',
  secureBoot: '1.2.840.113635.100.8.13.2',
} as const;

const SECURE_BOOT: Readonly<Record<string, SecureBoot>> = {
  'Full Security': 'full',
  'Reduced Security': 'reduced',
  'Permissive Security': 'permissive',
};
const TEXT = /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/;
const DER_INTEGER = 2;

/** Undefined where one of them is missing, but for the OS version, which is only told. */
export function readDevice(extensions: ReadonlyMap<string, Extension>): AttestedDevice | undefined {
  const serialNumber = text(extensions.get(claimIds.serialNumber));
  const udid = text(extensions.get(claimIds.udid));
  const sip = extensions.get(claimIds.sip)?.value;
  const boot = text(extensions.get(claimIds.secureBoot)) ?? '';
  const secureBoot = Object.hasOwn(SECURE_BOOT, boot) ? SECURE_BOOT[boot] : undefined;
  if (
    serialNumber === undefined ||
    udid === undefined ||
    sip === undefined ||
    !isInteger(sip) ||
    secureBoot === undefined
  )
    return undefined;
  const osVersion = text(extensions.get(claimIds.osVersion));
  return {
    serialNumber,
    udid,
    sipEnabled: sip.length === 3 && sip[2] === 0,
    secureBoot,
    ...(osVersion !== undefined && { osVersion }),
  };
}

function text(extension: Extension | undefined): string | undefined {
  const written = extension && Buffer.from(extension.value).toString('latin1');
  return written !== undefined && TEXT.test(written) ? written : undefined;
}

const isInteger = (value: Uint8Array): boolean =>
  value.length > 2 && value[0] === DER_INTEGER && value[1] === value.length - 2;
