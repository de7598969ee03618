import { HASH_BYTES } from '../bytes.ts';
import { Bytes } from '../codec.ts';

/**
 * The place of a receipt in a group that has one signature: the proof that the receipt is a leaf of
 * the group's tree. It takes few bytes, because messages and rows of the database have one for each
 * receipt: the index and the size in one byte each, then the hashes of the proof, lowest first.
 */

/** Maximum number of receipts under one signature. */
export const MAX_GROUP = 64;
/** Number of hashes that prove a place in a group of MAX_GROUP. */
export const MAX_GROUP_PROOF = Math.ceil(Math.log2(MAX_GROUP));
const HEAD_BYTES = 2;

/** A group has at least two receipts, so a place has at least one hash. */
export const GroupPlaceBytes = Bytes({
  min: HEAD_BYTES + HASH_BYTES,
  max: HEAD_BYTES + MAX_GROUP_PROOF * HASH_BYTES,
});

export interface GroupPlace {
  readonly index: number;
  /** Number of receipts in the group. */
  readonly size: number;
  readonly proof: readonly Uint8Array[];
}

export function packPlace({ index, size, proof }: GroupPlace): Uint8Array {
  const packed = new Uint8Array(HEAD_BYTES + proof.length * HASH_BYTES);
  packed.set([index, size]);
  for (const [place, hash] of proof.entries()) packed.set(hash, HEAD_BYTES + place * HASH_BYTES);
  return packed;
}

/**
 * Returns undefined if the bytes are not a place in a group of two to MAX_GROUP receipts. The caller
 * must check separately that the number of hashes fits the place.
 */
export function unpackPlace(packed: Uint8Array): GroupPlace | undefined {
  const [index = 0, size = 0] = packed;
  const hashes = (packed.length - HEAD_BYTES) / HASH_BYTES;
  if (!Number.isInteger(hashes) || hashes < 1 || hashes > MAX_GROUP_PROOF) return undefined;
  if (size < 2 || size > MAX_GROUP || index >= size) return undefined;
  const proof = Array.from({ length: hashes }, (_, place) =>
    packed.subarray(HEAD_BYTES + place * HASH_BYTES, HEAD_BYTES + (place + 1) * HASH_BYTES),
  );
  return { index, size, proof };
}
