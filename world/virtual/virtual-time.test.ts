import { expect, test } from 'vitest';
import { Host } from './host.ts';
import { VirtualTime } from './virtual-time.ts';

test('a host that is frozen again before it thaws does everything afterwards, in its order', async () => {
  const time = new VirtualTime((_, error) => {
    throw error;
  });
  const host = new Host('host', '10.0.0.1');
  const done: string[] = [];
  const plan = (at: number) => time.plan(at, () => done.push(`${at} at ${time.now}`), host);
  for (const at of [10, 200, 400]) plan(at);
  host.frozenUntil = 100;
  time.plan(
    50,
    () => {
      host.frozenUntil = 300;
    },
    undefined,
  );
  await time.runUntil(1_000);
  expect(done).toEqual(['10 at 300', '200 at 300', '400 at 400']);
});
