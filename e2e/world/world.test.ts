import { afterAll, beforeAll, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { WorldFault } from '#world/faults.ts';
import { mutated } from '#world/install-mutation.ts';
import { mutations } from '#world/mutations.ts';
import { Worlds } from '#world/worlds.ts';

/** Enough for a few kinds of faults; `npm run worlds` runs more. */
const SEEDS = setting('DINF_WORLD_SEEDS') ?? 6;
const FIRST_SEED = 1;
const LIMIT_MS = 120_000 + SEEDS * 120_000;

let worlds: Worlds;
beforeAll(async () => {
  worlds = await Worlds.prepare();
}, LIMIT_MS);
afterAll(() => worlds[Symbol.dispose]());

test(
  'worlds with faults that follow from their seeds keep every rule',
  async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      const { violations, faults, outcomes } = await worlds.live({ seed });
      expect({ seed, violations, faults }).toEqual({ seed, violations: [], faults });
      expect(outcomes['complete']).toBeGreaterThan(50);
    }
  },
  LIMIT_MS,
);

test(
  'the same seed gives the same world, message for message, as the first and as the third of a process',
  async () => {
    const [seed, other] = [FIRST_SEED, FIRST_SEED + 1];
    using fresh = await Worlds.prepare();
    const first = await fresh.live({ seed });
    expect((await fresh.live({ seed: other })).fingerprint).not.toBe(first.fingerprint);
    expect(await fresh.live({ seed })).toEqual(first);
  },
  LIMIT_MS,
);

test(
  'a component whose clock is set back while the hub is away is on the bus again at once',
  async () => {
    const { violations } = await worlds.live({
      seed: FIRST_SEED,
      faults: [
        { at: 39_274, kind: 'kill', host: 'hub', forMs: 10_425 },
        { at: 42_794, kind: 'clock', host: 'trust', forMs: 6_350, byMs: 291_303 },
      ],
    });
    expect(violations).toEqual([]);
  },
  LIMIT_MS,
);

test(
  'a killed Postgres leaves nothing to the next one, and a process that starts without it starts again',
  async () => {
    const { violations } = await worlds.live({
      seed: FIRST_SEED,
      faults: [
        { at: 10_000, kind: 'kill', host: 'postgres', forMs: 1_000 },
        { at: 10_200, kind: 'kill', host: 'trust', forMs: 200 },
        { at: 10_200, kind: 'kill', host: 'settlement', forMs: 2_000 },
      ],
    });
    expect(violations).toEqual([]);
  },
  LIMIT_MS,
);

/** Changes that are noticed in rare circumstances only, with the faults that bring them about. */
const rare: readonly {
  readonly mutation: string;
  readonly rule: string;
  readonly faults: readonly WorldFault[];
}[] = [
  {
    mutation: 'a removed machine keeps its connection',
    rule: 'a removed machine serves nothing after one second',
    faults: [{ at: 10_000, kind: 'removal', host: 'machine-4', forMs: 0 }],
  },
  {
    // Otherwise another machine continues an answer long before its time has passed.
    mutation: 'a stalled answer is never ended',
    rule: 'every request ends in time',
    faults: [
      { at: 8_000, kind: 'hostile', host: 'machine-4', forMs: 20_000, trick: 'stops_midway' },
      { at: 9_900, kind: 'kill', host: 'machine-1', forMs: 25_000 },
      { at: 9_900, kind: 'kill', host: 'machine-2', forMs: 25_000 },
      { at: 9_900, kind: 'kill', host: 'machine-3', forMs: 25_000 },
    ],
  },
];

test.each(rare)(
  'a world notices that $mutation, and that one without the change is right',
  async ({ mutation, rule, faults }) => {
    using changed = await Worlds.prepare({ mutation });
    const brokenIn = async (some: Worlds) =>
      (await some.live({ seed: FIRST_SEED, faults })).violations.map((one) => one.rule);
    expect(await brokenIn(worlds)).toEqual([]);
    expect(await brokenIn(changed)).toContain(rule);
  },
  LIMIT_MS,
);

test.each(mutations)('the mutation fits the program: $name', (mutation) => {
  expect(mutated(mutation)).toContain(mutation.by);
});
