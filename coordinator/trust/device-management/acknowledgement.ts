import { checkerOf } from '#bus-schemas/platform.ts';
import { Type } from '#bus-schemas/type.ts';
import { type Plist, PlistError, readPlist } from './plist.ts';

/**
 * A device's answer, as the webhook of MicroMDM reports it. The webhook reports every message of
 * every device, and most of them do not concern attestation. Sources: MicroMDM's documentation
 * (docs/user-guide/api-and-webhooks.md) and source, v1.13.1, for the names of the fields, and that
 * `raw_payload` is the device's own plist in base64; Apple's schema (information.device.yaml), that
 * `DevicePropertiesAttestation` is an array of DER, the leaf first.
 */
export interface Acknowledgement {
  readonly command: string;
  /** The UDID of the device in MDM; its certificates contain another one. */
  readonly udid: string;
  readonly status: string;
  /** The unverified plist that the device sent. */
  readonly payload: Uint8Array;
}

const text = (maxLength: number) => Type.String({ maxLength });
const event = checkerOf(
  Type.Object({
    topic: text(64),
    acknowledge_event: Type.Optional(
      Type.Object({
        udid: Type.Optional(text(64)),
        command_uuid: Type.Optional(text(64)),
        status: text(64),
        raw_payload: Type.String(),
      }),
    ),
  }),
);

/** `other` is an event that answers no command. */
export function readAcknowledgement(body: Uint8Array): Acknowledgement | 'other' | 'malformed' {
  const parsed = jsonIn(body);
  if (!event.Check(parsed)) return 'malformed';
  const { topic, acknowledge_event: answer } = parsed;
  if (topic !== 'mdm.Connect' || !answer?.command_uuid || !answer.udid) return 'other';
  return {
    command: answer.command_uuid,
    udid: answer.udid,
    status: answer.status,
    payload: Buffer.from(answer.raw_payload, 'base64'),
  };
}

/**
 * Returns the certificates in the answer to DeviceInformation; undefined if there are none. A
 * device that cannot or may not attest leaves them out.
 */
export function attestationIn(payload: Uint8Array): Uint8Array[] | undefined {
  const chain = field(field(listIn(payload), 'QueryResponses'), 'DevicePropertiesAttestation');
  if (!Array.isArray(chain) || chain.length === 0) return undefined;
  return chain.every((certificate) => certificate instanceof Uint8Array) ? chain : undefined;
}

const field = (value: Plist | undefined, name: string): Plist | undefined =>
  value instanceof Map ? value.get(name) : undefined;

function listIn(payload: Uint8Array): Plist | undefined {
  try {
    return readPlist(payload);
  } catch (error) {
    if (error instanceof PlistError) return undefined;
    throw error;
  }
}

function jsonIn(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
