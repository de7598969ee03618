import { hex } from '../bytes.ts';
import { Bytes } from '../codec.ts';
import { textOf } from '../receipts/lines-of-text.ts';
import {
  ED25519_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  isSignedByEd25519,
  type Signer,
} from '../receipts/signed-by.ts';
import { type Static, Type } from '../type.ts';

/**
 * The statement that another key signs the log from now on. The key before it signs the statement,
 * so that clients which trust that key can follow; and the statement is an entry of the log, so that
 * everybody sees the change.
 */
export const LogKeySuccession = Type.Object({
  previous: Bytes({ min: ED25519_KEY_BYTES, max: ED25519_KEY_BYTES }),
  key: Bytes({ min: ED25519_KEY_BYTES, max: ED25519_KEY_BYTES }),
  signature: Bytes({ min: ED25519_SIGNATURE_BYTES, max: ED25519_SIGNATURE_BYTES }),
});
export type LogKeySuccession = Static<typeof LogKeySuccession>;

const statement = ({ previous, key }: Pick<LogKeySuccession, 'previous' | 'key'>): string[] => [
  'd-inference log 1',
  'key',
  `log ${hex(key)}`,
  `after ${hex(previous)}`,
];

export function signSuccession(previous: Signer, key: Uint8Array): LogKeySuccession {
  const keys = { previous: previous.publicKey, key };
  return { ...keys, signature: previous.sign(textOf(statement(keys))) };
}

export const isSuccessionSigned = (succession: LogKeySuccession): boolean =>
  isSignedByEd25519(succession.previous, textOf(statement(succession)), succession.signature);

/** Entry of the log for the succession. */
export const successionEntry = (succession: LogKeySuccession): Uint8Array =>
  textOf([...statement(succession), `signature ${hex(succession.signature)}`]);
