import { afterAll, beforeAll, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { mutated } from '#world/install-mutation.ts';
import { mutations } from '#world/mutations.ts';
import { Worlds } from '#world/worlds.ts';

/** Enough for a few kinds of faults; `npm run worlds` runs more. */
const SEEDS = setting('DINF_WORLD_SEEDS') ?? 5;
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
    const without = await fresh.live({ seed, faults: [] });
    expect(without.fingerprint).not.toBe(first.fingerprint);
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

test(
  'a world notices that the program accepts frames twice',
  async () => {
    const mutation = 'the ingress accepts a frame twice';
    using changed = await Worlds.prepare({ mutation });
    const { violations } = await changed.live({
      seed: FIRST_SEED,
      faults: [{ at: 5_000, kind: 'lossy', host: 'leaf of machine-1', forMs: 20_000 }],
    });
    expect(violations.map(({ rule }) => rule)).toContain(
      'no token is wrong, missing in between, or doubled',
    );
  },
  LIMIT_MS,
);

test(
  'a world notices that a removed machine keeps its connection, and that one without the change is right',
  async () => {
    const faults = [{ at: 10_000, kind: 'removal', host: 'machine-4', forMs: 0 }] as const;
    const rule = 'a removed machine serves nothing after one second';
    const brokenBy = async (options: { mutation?: string }) => {
      using changed = await Worlds.prepare(options);
      return (await changed.live({ seed: FIRST_SEED, faults })).violations.map((one) => one.rule);
    };
    expect(await brokenBy({})).toEqual([]);
    const broken = await brokenBy({ mutation: 'a removed machine keeps its connection' });
    expect(new Set(broken)).toEqual(new Set([rule]));
  },
  LIMIT_MS,
);

test.each(mutations)('the mutation fits the program: $name', (mutation) => {
  expect(mutated(mutation)).toContain(mutation.by);
});
