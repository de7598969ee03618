import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { type Plist, PlistError, readPlist } from './plist.ts';

/**
 * What MicroMDM tells of a device's answer. Its webhook is told of everything that devices say to
 * it, and most of that is none of our concern.
 * From its documentation (docs/user-guide/api-and-webhooks.md) and source, v1.13.1: the names of
 * the fields, and that `raw_payload` is the
 * device's own plist in base64. From Apple's schema (information.device.yaml): that
 * `DevicePropertiesAttestation` is an array of DER, the leaf first.
 */
export interface Acknowledgement {
  readonly command: string;
  /** The device as MDM calls it; its certificates call it otherwise. */
  readonly udid: string;
  readonly status: string;
  /** The device's own words. */
  readonly payload: Uint8Array;
}

const text = (maxLength: number) => Type.String({ maxLength });
const event = Compile(
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
  const told = jsonIn(body);
  if (!event.Check(told)) return 'malformed';
  const { topic, acknowledge_event: answer } = told;
  if (topic !== 'mdm.Connect' || !answer?.command_uuid || !answer.udid) return 'other';
  return {
    command: answer.command_uuid,
    udid: answer.udid,
    status: answer.status,
    payload: Buffer.from(answer.raw_payload, 'base64'),
  };
}

/**
 * The certificates in the answer to DeviceInformation; undefined where there are none. A device
 * that may not be asked leaves them out.
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
