import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cacheFolder, findNatsServer, type NatsServer } from '#provider';
import { startLeaf } from './leaf.ts';
import { enrolledAt, startPlainHub } from './plain-hub-under-test.ts';

/** A pause of a hub that is only busy, in milliseconds: half of what a leaf tolerates. */
const PAUSE_MS = 800;

let stack: AsyncDisposableStack;
let hubs: NatsServer[];

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'dinf-silent-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  hubs = [];
  for (const name of ['first', 'second'])
    hubs.push(stack.use(await startPlainHub(join(home, name))));
  const leafUrls = hubs.map(({ leafUrl }) => leafUrl);
  stack.use(
    await startLeaf({
      binary,
      home: join(home, 'leaf'),
      enrolments: [await enrolledAt(leafUrls, home)],
      log: pino({ level: 'silent' }),
    }),
  );
});
afterEach(() => stack.disposeAsync());

/** Numbers that the hub gave to the connections of leaves. */
async function linksOf({ monitorUrl }: NatsServer): Promise<number[]> {
  const { leafs } = (await (await fetch(`${monitorUrl}/leafz`)).json()) as {
    leafs: { id: number }[] | null;
  };
  return (leafs ?? []).map(({ id }) => id);
}
/** The hub with the link of the leaf, and the other hub. */
const linkedHub = () =>
  vi.waitFor(async () => {
    const [first, second] = hubs as [NatsServer, NatsServer];
    if ((await linksOf(first)).length === 1) return [first, second] as const;
    expect(await linksOf(second)).toHaveLength(1);
    return [second, first] as const;
  });

test('a leaf connects to another hub while its hub is frozen', async () => {
  const [frozen, other] = await linkedHub();
  const frozenAt = performance.now();
  frozen.signal('SIGSTOP');
  // The frozen hub continues only after the leaf has left it.
  await vi.waitFor(async () => expect(await linksOf(other)).toHaveLength(1), { interval: 20 });
  console.log(`the leaf has another hub after ${Math.round(performance.now() - frozenAt)} ms`);
  frozen.signal('SIGCONT');
});

test('a leaf keeps its link while its hub pauses for a moment, again and again', async () => {
  const [busy, other] = await linkedHub();
  const before = await linksOf(busy);
  for (let pause = 0; pause < 3; pause += 1) {
    busy.signal('SIGSTOP');
    // The duration is the fault; nothing waits for its end.
    await delay(PAUSE_MS);
    busy.signal('SIGCONT');
    expect(await linksOf(busy)).toEqual(before);
  }
  expect(await linksOf(other)).toEqual([]);
});
