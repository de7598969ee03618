import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BodyQueue, type WaitingBody } from './body-queue.ts';

interface Named extends WaitingBody {
  readonly name: string;
}

const body = (name: string, bytes = 1, isWanted = () => true): Named => ({
  account: name.slice(0, 1),
  name,
  bytes,
  isWanted,
});
const namesOf = (bodies: readonly Named[]) => bodies.map(({ name }) => name);
const left: string[] = [];
const nextOf = (queue: BodyQueue<Named>) => queue.next(({ name }) => left.push(name))?.name;

describe('bodies that wait', () => {
  test('are read by turns of their accounts, and those of one account in their order', () => {
    const queue = new BodyQueue<Named>(100);
    for (const name of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) queue.add(body(name));
    const order = Array.from({ length: 7 }, () => nextOf(queue));
    expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', undefined]);
  });

  test('whose clients have left are dropped when their turn comes', () => {
    const queue = new BodyQueue<Named>(100);
    queue.add(body('a1', 1, () => false));
    queue.add(body('a2'));
    left.length = 0;
    expect([nextOf(queue), nextOf(queue)]).toEqual(['a2', undefined]);
    expect(left).toEqual(['a1']);
  });

  test('of the account with the most bytes lose their place if there is no room, the newest first', () => {
    const queue = new BodyQueue<Named>(10);
    for (const name of ['a1', 'a2', 'a3', 'b1']) expect(queue.add(body(name, 2))).toEqual([]);
    expect(namesOf(queue.add(body('b2', 4)))).toEqual(['a3']);
    expect(namesOf(queue.add(body('b3', 2)))).toEqual(['b3']);
    expect(namesOf(queue.clear())).toEqual(['a1', 'a2', 'b1', 'b2']);
  });

  test('never have more bytes than may wait, and each one is returned once', () => {
    const step = fc.record({ account: fc.constantFrom('a', 'b', 'c'), bytes: fc.nat(12) });
    fc.assert(
      fc.property(fc.array(fc.option(step), { maxLength: 60 }), (steps) => {
        const queue = new BodyQueue<Named>(10);
        let [added, returned, bytes] = [0, 0, 0];
        const gone = (one: Named) => {
          returned += 1;
          bytes -= one.bytes;
        };
        for (const one of steps) {
          if (one === null) {
            const next = queue.next(gone);
            if (next) gone(next);
            continue;
          }
          added += 1;
          bytes += one.bytes;
          for (const refused of queue.add(body(`${one.account}${added}`, one.bytes))) gone(refused);
          expect(bytes).toBeLessThanOrEqual(10);
        }
        expect(returned + queue.clear().length).toBe(added);
      }),
    );
  });
});
