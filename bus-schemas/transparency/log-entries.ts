import { Hash, hex } from '../bytes.ts';
import { Bytes } from '../codec.ts';
import type { Standing, TrustLevel } from '../messages/vocabulary.ts';
import { textOf } from '../receipts/lines-of-text.ts';
import {
  ED25519_KEY_BYTES,
  ED25519_SIGNATURE_BYTES,
  isSignedByEd25519,
  type Signer,
} from '../receipts/signed-by.ts';
import { count } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';

/**
 * Entries of the log, as lines of plain text. An entry names a machine by its id on the bus and its
 * key, and contains nothing that identifies its owner.
 */

/** Entry for code that machines may run, or may no longer run. */
export const releaseEntry = ({
  version,
  codeHash,
  active,
}: {
  version: string;
  codeHash: Uint8Array;
  active: boolean;
}): Uint8Array =>
  textOf([
    'd-inference log 1',
    'release',
    `version ${version}`,
    `code ${hex(codeHash)}`,
    active ? 'active' : 'withdrawn',
  ]);

/**
 * Entry for one build that may answer under one public name (a model or an alias), with the digest
 * of its weights. The digest is `any` if the operator did not set one.
 */
export const modelEntry = (model: {
  name: string;
  build: string;
  weights: Uint8Array | undefined;
  active: boolean;
}): Uint8Array =>
  textOf([
    'd-inference log 1',
    'model',
    `name ${model.name}`,
    `build ${model.build}`,
    `weights ${model.weights ? hex(model.weights) : 'any'}`,
    model.active ? 'active' : 'withdrawn',
  ]);

/** Entry for the state of a machine from this time on. */
export const verdictEntry = (verdict: {
  provider: string;
  standing: Standing;
  level: TrustLevel;
  signingKey: Uint8Array | undefined;
}): Uint8Array =>
  textOf([
    'd-inference log 1',
    'verdict',
    `provider ${verdict.provider}`,
    `signing ${verdict.signingKey ? hex(verdict.signingKey) : 'none'}`,
    `${verdict.standing} ${verdict.level}`,
  ]);

/** Entry for a key with which the coordinator signs. */
export const keyEntry = ({
  purpose,
  publicKey,
}: {
  purpose: 'receipts';
  publicKey: Uint8Array;
}): Uint8Array => textOf(['d-inference log 1', 'key', `${purpose} ${hex(publicKey)}`]);

/** Signed size and root hash of the log at one time. */
export const TreeHead = Type.Object({
  size: count,
  root: Hash,
  /** Milliseconds since 1970. */
  at: count,
  key: Bytes({ min: ED25519_KEY_BYTES, max: ED25519_KEY_BYTES }),
  signature: Bytes({ min: ED25519_SIGNATURE_BYTES, max: ED25519_SIGNATURE_BYTES }),
});
export type TreeHead = Static<typeof TreeHead>;

const headText = ({ size, root, at }: Pick<TreeHead, 'size' | 'root' | 'at'>): Uint8Array =>
  textOf(['d-inference tree head 1', `size ${size}`, `root ${hex(root)}`, `at ${at}`]);

export function signHead(signer: Signer, head: Pick<TreeHead, 'size' | 'root' | 'at'>): TreeHead {
  return { ...head, key: signer.publicKey, signature: signer.sign(headText(head)) };
}

export const isHeadSigned = (head: TreeHead): boolean =>
  isSignedByEd25519(head.key, headText(head), head.signature);
