import { EMPTY_ROOT, nodeHash } from '#bus-schemas';

/**
 * Roots and proofs of an RFC 6962 tree, from the hashes of its complete subtrees. `node(level,
 * index)` is the hash over the `2^level` leaves from `index * 2^level` on. A complete subtree never
 * changes, so its hash is stored once, when it is complete.
 */
export type ReadNode = (level: number, index: number) => Uint8Array;

export const rootAt = (size: number, node: ReadNode): Uint8Array =>
  size === 0 ? EMPTY_ROOT : rootOver(0, size, node);

/** Proves that a leaf is in the tree of this size. */
export const inclusionProof = (index: number, size: number, node: ReadNode): Uint8Array[] =>
  pathTo(index, { from: 0, until: size }, node);

/** Proves that the tree of the first size is the beginning of the tree of the second. */
export function consistencyProof(earlier: number, later: number, node: ReadNode): Uint8Array[] {
  return earlier === 0 || earlier === later
    ? []
    : prefixProof(earlier, { from: 0, until: later }, true, node);
}

/**
 * Lists the subtrees that the leaf at this index completes, the smallest first. Each needs its left
 * half, which is stored by then.
 */
export function completedBy(index: number): { level: number; index: number }[] {
  const completed: { level: number; index: number }[] = [];
  for (let [level, place] = [0, index]; place % 2 === 1; ) {
    level += 1;
    place = (place - 1) / 2;
    completed.push({ level, index: place });
  }
  return completed;
}

/** Runs `read` twice: first to collect the nodes that it needs, then with these nodes. */
export async function withNodes<T>(
  read: (node: ReadNode) => T,
  fetch: (wanted: { level: number; index: number }[]) => Promise<ReadNode>,
): Promise<T> {
  const wanted: { level: number; index: number }[] = [];
  read((level, index) => {
    wanted.push({ level, index });
    return EMPTY_ROOT;
  });
  return read(await fetch(wanted));
}

interface Range {
  readonly from: number;
  readonly until: number;
}

function rootOver(from: number, until: number, node: ReadNode): Uint8Array {
  const size = until - from;
  const level = Math.log2(size);
  if (Number.isInteger(level) && from % size === 0) return node(level, from / size);
  const middle = from + largestPowerBelow(size);
  return nodeHash(rootOver(from, middle, node), rootOver(middle, until, node));
}

function pathTo(index: number, { from, until }: Range, node: ReadNode): Uint8Array[] {
  if (until - from === 1) return [];
  const middle = from + largestPowerBelow(until - from);
  return index < middle
    ? [...pathTo(index, { from, until: middle }, node), rootOver(middle, until, node)]
    : [...pathTo(index, { from: middle, until }, node), rootOver(from, middle, node)];
}

/** `known`: the reader already has the root of exactly this range. */
function prefixProof(
  size: number,
  { from, until }: Range,
  known: boolean,
  node: ReadNode,
): Uint8Array[] {
  if (size === until - from) return known ? [] : [rootOver(from, until, node)];
  const left = largestPowerBelow(until - from);
  const middle = from + left;
  return size <= left
    ? [...prefixProof(size, { from, until: middle }, known, node), rootOver(middle, until, node)]
    : [
        ...prefixProof(size - left, { from: middle, until }, false, node),
        rootOver(from, middle, node),
      ];
}

function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}
