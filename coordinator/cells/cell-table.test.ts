import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CellDigest } from '#bus-schemas';
import { CellTable } from './cell-table.ts';

const providers = Array.from(
  { length: 2_000 },
  (_, index) => `A${String(index).padStart(55, 'B')}`,
);
const digest = (cell: number, changes: Partial<CellDigest> = {}): CellDigest => ({
  cell,
  draining: false,
  providers: 0,
  queued: 0,
  builds: [{ build: 'sim', freeSlots: 10 }],
  ...changes,
});
/** A time past the settling of the table: digests that arrive now cause a hand-over. */
const LATER = 20_000;
const OVER = LATER + 10_000;

function tableOf(...digests: CellDigest[]): CellTable {
  const table = new CellTable(0);
  for (const one of digests) table.receive(one, 0);
  return table;
}
const ownersAt = (table: CellTable, now: number) =>
  providers.map((provider) => table.ownersOf(provider, now));

describe('a machine', () => {
  test('belongs to one cell, and all cells have about equally many machines', () => {
    const owners = ownersAt(tableOf(digest(0), digest(1), digest(2), digest(7)), 0);
    expect(owners.every(({ length }) => length === 1)).toBe(true);
    for (const cell of [0, 1, 2, 7]) {
      const share = owners.filter(([owner]) => owner === cell).length / providers.length;
      expect(share).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(0.3);
    }
  });

  test('moves only to a cell that appeared or from a cell that disappeared', () => {
    const cell = fc.integer({ min: 0, max: 99 });
    fc.assert(
      fc.property(fc.uniqueArray(cell, { minLength: 2, maxLength: 12 }), (cells) => {
        const [newcomer, ...others] = cells as [number, ...number[]];
        const before = tableOf(...others.map((one) => digest(one)));
        const after = tableOf(...cells.map((one) => digest(one)));
        for (const provider of providers.slice(0, 200)) {
          const owner = after.ownersOf(provider, 0);
          if (owner[0] !== newcomer) expect(owner).toEqual(before.ownersOf(provider, 0));
        }
      }),
      { numRuns: 50 },
    );
  });

  test('belongs to both cells during a hand-over, when a cell drains and when it returns', () => {
    const table = tableOf(digest(0), digest(1));
    const before = ownersAt(table, 0);
    for (const draining of [true, false]) {
      const now = draining ? LATER : OVER;
      for (const cell of [0, 1])
        table.receive(digest(cell, { draining: draining && cell === 1 }), now);
      providers.forEach((provider, index) => {
        const wasOfOne = before[index]?.[0] === 1;
        const during = table.ownersOf(provider, now);
        expect(during.toSorted()).toEqual(wasOfOne ? [0, 1] : [0]);
        expect(during[0]).toBe(draining || !wasOfOne ? 0 : 1);
        expect(table.ownersOf(provider, now + 6_000)).toEqual([during[0]]);
      });
    }
  });

  test('of a silent cell moves to another, and belongs to every cell if no member is left', () => {
    const table = tableOf(digest(0), digest(1));
    const lost = providers.find((provider) => table.ownersOf(provider, 0)[0] === 1) as string;
    table.receive(digest(0), LATER);
    expect(table.ownersOf(lost, LATER)).toContain(0);
    expect(table.owns(1, lost, LATER + 6_000)).toBe(false);
    table.receive(digest(0, { draining: true }), LATER + 6_000);
    expect([0, 1, 2].map((cell) => table.owns(cell, lost, LATER + 6_000))).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('is not handed over for cells that a new table only learns of after its start', () => {
    const table = new CellTable(0);
    table.receive(digest(1), 10);
    table.receive(digest(0), 200);
    expect(ownersAt(table, 300).every(({ length }) => length === 1)).toBe(true);
  });
});

describe('a request', () => {
  const BUILDS = ['sim'];
  const keys = Array.from({ length: 300 }, (_, index) => `key ${index}`);

  test('goes to the first cell if no digest has arrived, and to the only cell if one exists', () => {
    expect(new CellTable(0).choiceFor('key', BUILDS, 0)).toEqual([0]);
    expect(tableOf(digest(4)).choiceFor('key', BUILDS, 0)).toEqual([4]);
  });

  test('may use two of all cells, and a conversation gets the same two again', () => {
    const table = tableOf(digest(0), digest(1), digest(2));
    const homes = keys.map((key) => table.choiceFor(key, BUILDS, 0));
    expect(new Set(homes.map((cells) => cells.join()))).toEqual(
      new Set(['0,1', '0,2', '1,0', '1,2', '2,0', '2,1']),
    );
    expect(keys.map((key) => table.choiceFor(key, BUILDS, 100))).toEqual(homes);
  });

  test('prefers the other cell if that has more than twice the free slots of its build', () => {
    const free = (freeSlots: number) => ({ builds: [{ build: 'sim', freeSlots }] });
    const firsts = (table: CellTable) =>
      new Set(keys.map((key) => table.choiceFor(key, BUILDS, 0)[0]));
    expect(firsts(tableOf(digest(0, free(10)), digest(1, free(19))))).toEqual(new Set([0, 1]));
    expect(firsts(tableOf(digest(0, free(10)), digest(1, free(21))))).toEqual(new Set([1]));
    expect(
      firsts(tableOf(digest(0), digest(1, { builds: [{ build: 'other', freeSlots: 100 }] }))),
    ).toEqual(new Set([0]));
  });

  test('avoids a silent or draining cell while another one exists', () => {
    const table = tableOf(digest(0), digest(1));
    table.receive(digest(0), 2_000);
    expect(new Set(keys.map((key) => table.choiceFor(key, BUILDS, 2_000).join()))).toEqual(
      new Set(['0']),
    );
    table.receive(digest(1), 2_000);
    table.receive(digest(0, { draining: true }), 2_000);
    expect(new Set(keys.map((key) => table.choiceFor(key, BUILDS, 2_000).join()))).toEqual(
      new Set(['1']),
    );
    table.receive(digest(1, { draining: true }), 2_000);
    expect(table.choiceFor('key', BUILDS, 2_000)).toHaveLength(2);
  });
});

describe('the history of the cells', () => {
  const statesAt = (table: CellTable, now: number) =>
    table.history(now).map(({ cell, state, forMs }) => [cell, state, forMs]);

  test('has the time of the last change of each state, not that of the last digest', () => {
    const table = tableOf(digest(0), digest(1));
    table.receive(digest(1, { draining: true }), 4_000);
    table.receive(digest(1, { draining: true }), 5_000);
    table.receive(digest(0), 5_000);
    expect(statesAt(table, 6_000)).toEqual([
      [0, 'serves', 6_000],
      [1, 'draining', 2_000],
    ]);
  });

  test('shows a cell that is gone for a day, and its return at once', () => {
    const table = tableOf(digest(0), digest(1));
    table.receive(digest(0), LATER);
    expect(statesAt(table, LATER + 5_000)).toEqual([
      [0, 'serves', LATER + 5_000],
      [1, 'gone', 5_000],
    ]);
    table.receive(digest(1), OVER);
    expect(statesAt(table, OVER)[1]).toEqual([1, 'serves', 0]);
    const day = 24 * 3_600_000;
    table.sweep(OVER + 10_000);
    table.sweep(OVER + 10_000 + day);
    expect(table.history(OVER + 10_000 + day)).toEqual([]);
  });
});
