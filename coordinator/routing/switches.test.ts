import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  machine,
  type RoutersUnderTest,
  startRoutersUnderTest,
} from './records/routers-under-test.ts';

const MACHINES = 8;
const TURNS = 6;
const SOON = { timeout: 20_000, interval: 100 };
let under: RoutersUnderTest;
beforeAll(async () => {
  under = await startRoutersUnderTest(MACHINES);
}, 60_000);
afterAll(() => under[Symbol.asyncDispose]());

/** The machines to which the turns of one conversation go. */
async function machinesOfConversation(key: string): Promise<Set<string>> {
  const chosen = new Set<string>();
  // Nearly the whole prompt is known, so the machine that has read it is much faster.
  const turn = { promptTokens: 900, maxOutputTokens: 10, prefixes: [{ key, tokens: 880 }] };
  for (let count = 0; count < TURNS; count += 1) {
    const reply = await under.reserve(undefined, turn);
    if (!reply.ok) throw new Error(`no slot: ${reply.code}`);
    const provider = reply.candidates[0]?.provider ?? '';
    under.end(provider, reply.request.job);
    chosen.add(provider);
  }
  return chosen;
}

test('a part that is switched off stays off on the router that takes over, until it is switched on', async () => {
  const joined = () =>
    vi.waitFor(async () => {
      for (let index = 0; index < MACHINES; index += 1) under.hello(machine(index));
      expect(await under.explain()).toHaveLength(MACHINES);
    }, SOON);
  {
    await using _first = await under.start();
    await joined();
    expect(await under.switches()).toMatchObject({ affinity: true, warm_pool: true });
    expect((await machinesOfConversation('before')).size).toBe(1);
    expect(await under.setSwitch('affinity', false)).toMatchObject({
      affinity: false,
      warm_pool: true,
    });
    await vi.waitFor(
      async () => expect((await machinesOfConversation('off')).size).toBeGreaterThan(1),
      SOON,
    );
  }
  await using _second = await under.start();
  await joined();
  expect((await machinesOfConversation('after a restart')).size).toBeGreaterThan(1);
  await under.setSwitch('affinity', true);
  await vi.waitFor(async () => expect((await machinesOfConversation('on')).size).toBe(1), SOON);
}, 90_000);
