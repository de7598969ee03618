import { afterAll, beforeAll, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { mutated } from '#world/install-mutation.ts';
import { mutations } from '#world/mutations.ts';
import { Worlds } from '#world/worlds.ts';

/** Enough for each kind of faults once; `npm run worlds` runs more. */
const SEEDS = setting('DINF_WORLD_SEEDS') ?? 15;
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
      expect(outcomes['complete']).toBeGreaterThan(30);
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

test.each(
  mutations.flatMap(({ name, noticedWith }) => (noticedWith ? [{ name, ...noticedWith }] : [])),
)(
  'a world notices that $name, and one without the change is right',
  async ({ name, rule, faults }) => {
    using changed = await Worlds.prepare({ mutation: name });
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
