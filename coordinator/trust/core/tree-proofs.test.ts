import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isConsistent, leafHash, nodeHash, rootOfInclusion } from '#bus-schemas';
import {
  completedBy,
  consistencyProof,
  inclusionProof,
  type ReadNode,
  rootAt,
} from './tree-proofs.ts';

/** The leaves and roots of the tests of Certificate Transparency's reference implementation. */
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((hex) => Buffer.from(hex, 'hex'));
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** Stores the nodes as the log does. */
function treeOf(leaves: readonly Uint8Array[]): ReadNode {
  const nodes = new Map<string, Uint8Array>();
  const node: ReadNode = (level, index) => {
    const hash = nodes.get(`${level} ${index}`);
    if (hash === undefined) throw new Error(`no node ${level} ${index}`);
    return hash;
  };
  for (const [place, leaf] of leaves.entries()) {
    nodes.set(`0 ${place}`, leafHash(leaf));
    for (const { level, index } of completedBy(place))
      nodes.set(
        `${level} ${index}`,
        nodeHash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1)),
      );
  }
  return node;
}
const someLeaves = (size: number) =>
  Array.from({ length: size }, (_, index) => Buffer.from(`entry ${index}`));
const MAX = 70;
const node = treeOf(someLeaves(MAX));
const treeAt = (size: number) => ({ size, root: rootAt(size, node) });
const flip = (hash: Uint8Array) =>
  Buffer.from(hash).map((byte, at) => (at === 5 ? byte ^ 1 : byte));

test.each(ROOTS.map((root, size) => [size, root] as const))(
  'the tree of the first %i leaves has the same root as in Certificate Transparency',
  (size, root) => {
    expect(Buffer.from(rootAt(size, treeOf(LEAVES))).toString('hex')).toBe(root);
  },
);

describe('every leaf of every size', () => {
  test('has a proof for its own place, and for no other', () => {
    for (let size = 1; size <= MAX; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const leaf = leafHash(Buffer.from(`entry ${index}`));
        const proof = inclusionProof(index, size, node);
        expect(rootOfInclusion(leaf, { index, size }, proof)).toEqual(rootAt(size, node));
        if (size === 1) continue;
        expect(rootOfInclusion(leaf, { index: (index + 1) % size, size }, proof)).not.toEqual(
          rootAt(size, node),
        );
        expect(
          rootOfInclusion(leafHash(Buffer.from('forged')), { index, size }, proof),
        ).not.toEqual(rootAt(size, node));
      }
    }
  });

  test('has a proof in every later tree', () => {
    for (let earlier = 0; earlier <= MAX; earlier += 1)
      for (let later = earlier; later <= MAX; later += 1)
        expect(
          isConsistent(treeAt(earlier), treeAt(later), consistencyProof(earlier, later, node)),
        ).toBe(true);
  });
});

describe('a log that forks', () => {
  test('cannot prove that its earlier tree is the beginning of its later one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MAX - 1 }),
        fc.nat(),
        fc.nat(),
        (earlier, changedAt, more) => {
          const later = earlier + 1 + (more % (MAX - earlier));
          const forked = treeOf(
            someLeaves(later).map((leaf, index) =>
              index === changedAt % earlier ? Buffer.from('rewritten') : leaf,
            ),
          );
          const other = { size: later, root: rootAt(later, forked) };
          for (const proof of [
            consistencyProof(earlier, later, forked),
            consistencyProof(earlier, later, node),
          ])
            expect(isConsistent(treeAt(earlier), other, proof)).toBe(false);
        },
      ),
    );
  });

  test('cannot prove it with a changed, cut or longer proof, or an impossible size either', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX - 1 }), fc.nat(), fc.nat(), (earlier, more, at) => {
        const later = earlier + 1 + (more % (MAX - earlier));
        const proof = consistencyProof(earlier, later, node);
        const changed = proof.map((hash, index) =>
          index === at % proof.length ? flip(hash) : hash,
        );
        for (const wrong of [changed, proof.slice(1), proof.slice(0, -1), [...proof, EMPTY]])
          expect(isConsistent(treeAt(earlier), treeAt(later), wrong)).toBe(false);
      }),
    );
    for (const size of [-1, 0.5, Number.NaN, 2 ** 60])
      expect(isConsistent({ ...treeAt(3), size }, treeAt(5), consistencyProof(3, 5, node))).toBe(
        false,
      );
    expect(isConsistent(treeAt(5), treeAt(3), [])).toBe(false);
    expect(isConsistent(treeAt(3), { ...treeAt(3), root: EMPTY }, [])).toBe(false);
  });
});

const EMPTY = new Uint8Array(32);
