import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UnwrittenRecords } from './unwritten-records.ts';

/** Adds each batch once, as `put-records.sql` does by the number of the batch. */
class StoredCounts {
  readonly served = new Map<string, number>();
  #last = 0;

  write(batch: NonNullable<ReturnType<UnwrittenRecords['batch']>>): void {
    if (batch.number <= this.#last) return;
    this.#last = batch.number;
    for (const [machine, { counts }] of batch.records)
      this.served.set(machine, (this.served.get(machine) ?? 0) + counts.served);
  }
}

const machine = fc.constantFrom('a', 'b', 'c', 'd');
const step = fc.oneof(
  fc.record({ what: fc.constantFrom('served' as const, 'touched' as const), machine }),
  fc.record({
    what: fc.constant('write' as const),
    /** The statement failed, it succeeded but its answer was lost, or all went well. */
    result: fc.constantFrom('failed', 'lost', 'done'),
    limit: fc.integer({ min: 1, max: 4 }),
  }),
);

test('every count is stored once, whichever statements fail and whichever answers are lost', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const unwritten = new UnwrittenRecords(10);
      const stored = new StoredCounts();
      const served = new Map<string, number>();
      const write = (limit: number, result: string) => {
        const batch = unwritten.batch(limit, () => true);
        if (batch === undefined) return;
        expect(batch.records.size).toBeLessThanOrEqual(4);
        if (result !== 'failed') stored.write(batch);
        if (result === 'done') unwritten.acknowledge(batch.number);
      };
      for (const one of steps) {
        if (one.what === 'write') write(one.limit, one.result);
        else if (one.what === 'touched') unwritten.touch(one.machine);
        else {
          unwritten.observe(one.machine, { served: 1 }, 0);
          served.set(one.machine, (served.get(one.machine) ?? 0) + 1);
        }
      }
      while (unwritten.size > 0) write(4, 'done');
      for (const name of ['a', 'b', 'c', 'd'])
        expect(stored.served.get(name) ?? 0).toBe(served.get(name) ?? 0);
    }),
  );
});

test('the machine that has waited longest is in the next batch, and one that is not ready stays', () => {
  const unwritten = new UnwrittenRecords(10);
  for (const name of ['a', 'b', 'c', 'a']) unwritten.observe(name, { failed: 1 }, 5);
  const batch = unwritten.batch(2, (name) => name !== 'b');
  expect([...(batch?.records.keys() ?? [])]).toEqual(['a', 'c']);
  expect(batch?.records.get('a')?.counts.failed).toBe(2);
  unwritten.acknowledge(batch?.number ?? 0);
  expect(unwritten.has('b')).toBe(true);
  expect(unwritten.has('a')).toBe(false);
});

test('no more machines wait than the maximum, however many there are', () => {
  const unwritten = new UnwrittenRecords(3);
  for (let index = 0; index < 10; index += 1) unwritten.observe(`${index}`, { served: 1 }, 0);
  unwritten.observe('0', { served: 1 }, 0);
  expect(unwritten.size).toBe(3);
  expect(unwritten.batch(10, () => true)?.records.get('0')?.counts.served).toBe(2);
});
