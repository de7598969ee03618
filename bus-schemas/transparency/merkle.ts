import { sha256 } from '#bus-schemas/platform.ts';
import { isSame } from '../bytes.ts';

/** The tree of RFC 6962, and the verification of its proofs (RFC 9162, 2.1.3.2 and 2.1.4.2). */

/**
 * Prefixes of hashed data. They prevent an attack in which a node is presented as a leaf, or a leaf
 * as a node.
 */
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (entry: Uint8Array): Uint8Array => sha256(LEAF, entry);
export const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256(NODE, left, right);
export const EMPTY_ROOT: Uint8Array = sha256();

export interface TreePlace {
  readonly index: number;
  /** Number of leaves in the tree. */
  readonly size: number;
}

/**
 * Returns the root of the tree that has this size, this leaf at this place, and the hashes of the
 * proof; undefined if the proof does not fit the size.
 */
export function rootOfInclusion(
  leaf: Uint8Array,
  { index, size }: TreePlace,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  if (!isCount(index) || !isCount(size) || index >= size) return undefined;
  let [place, last, root] = [index, size - 1, leaf];
  for (const hash of proof) {
    if (last === 0) return undefined;
    if (isOdd(place) || place === last) {
      root = nodeHash(hash, root);
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      root = nodeHash(root, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 ? root : undefined;
}

/**
 * Returns the root of a tree of at least one leaf, and the proof of each leaf. It holds all nodes at
 * once, so it is for small trees.
 */
export function proofsIn(leaves: readonly Uint8Array[]): {
  root: Uint8Array;
  proofs: Uint8Array[][];
} {
  const proofs = leaves.map((): Uint8Array[] => []);
  let level = leaves;
  for (let height = 0; level.length > 1; height += 1) {
    for (const [index, proof] of proofs.entries()) {
      const place = Math.floor(index / 2 ** height);
      const sibling = level[isOdd(place) ? place - 1 : place + 1];
      // The last node of a level has no sibling if their number is odd; it moves up as it is.
      if (sibling !== undefined) proof.push(sibling);
    }
    level = pairsOf(level);
  }
  return { root: level[0] ?? EMPTY_ROOT, proofs };
}

function pairsOf(level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let place = 0; place < level.length; place += 2) {
    const [left, right] = [level[place], level[place + 1]];
    if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right));
  }
  return above;
}

export interface Tree {
  readonly size: number;
  readonly root: Uint8Array;
}

/**
 * Returns true if the later tree begins with the whole earlier tree: no entry was changed or
 * removed.
 */
export function isConsistent(earlier: Tree, later: Tree, proof: readonly Uint8Array[]): boolean {
  if (!isCount(earlier.size) || !isCount(later.size) || earlier.size > later.size) return false;
  if (earlier.size === 0) return proof.length === 0 && isSame(earlier.root, EMPTY_ROOT);
  if (earlier.size === later.size) return proof.length === 0 && isSame(earlier.root, later.root);
  const path = isPowerOfTwo(earlier.size) ? [earlier.root, ...proof] : [...proof];
  let [place, last] = [earlier.size - 1, later.size - 1];
  while (isOdd(place)) [place, last] = [half(place), half(last)];
  const first = path.shift();
  if (first === undefined) return false;
  let [before, after] = [first, first];
  for (const hash of path) {
    if (last === 0) return false;
    if (isOdd(place) || place === last) {
      before = nodeHash(hash, before);
      after = nodeHash(hash, after);
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      after = nodeHash(after, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && isSame(before, earlier.root) && isSame(after, later.root);
}

// Arithmetic is used instead of shifts, because a size may exceed the 32 bits of JavaScript's
// shifts.
const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const half = (value: number): number => Math.floor(value / 2);
const isOdd = (value: number): boolean => value % 2 === 1;
const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));
