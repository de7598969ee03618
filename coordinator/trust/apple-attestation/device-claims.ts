import type { Extension } from './certificate.ts';

/** The properties of a machine that Apple has attested. */
export interface AttestedDevice {
  readonly serialNumber: string;
  /** The provisioning UDID; on a Mac it differs from the UDID of MDM commands. */
  readonly udid: string;
  readonly sipEnabled: boolean;
  readonly secureBoot: SecureBoot;
  readonly osVersion?: string;
}

type SecureBoot = 'full' | 'reduced' | 'permissive';

/**
 * Apple documents the meaning of these values (DeviceInformationResponse.QueryResponses,
 * DevicePropertiesAttestation), but not their encoding. The encodings below are published by others
 * who have read live certificates:
 * - freshness: the 32 bytes themselves, without DER around them (step-ca compares them in the same
 *   way);
 * - serial number, UDID, OS version: plain text without DER around it;
 * - SIP: a DER INTEGER, 0 if it is on. Apple documents 1 for off; here, every value but 0 is off;
 * - secure boot: one of three plain texts without DER around them.
 *
 * Only "on" and "Full Security" have been seen live; the other values are as documented. Every
 * other encoding counts as absent, because an unknown encoding proves nothing.
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

/** Undefined if a property is missing, except for the OS version, which is only displayed. */
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
