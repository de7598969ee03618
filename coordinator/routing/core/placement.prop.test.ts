import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SUITE_ID, type Trait } from '#bus-schemas';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { choose, failedGate, type PlacementRequest } from './placement.ts';
import { Router } from './router.ts';

const BUILD = 'sim';
const providerAt = (index: number) => idOf(String.fromCharCode(65 + index));

const provider = fc.record({
  draining: fc.boolean(),
  suite: fc.constantFrom(SUITE_ID, SUITE_ID, SUITE_ID, 'rot13'),
  state: fc.constantFrom(
    'resident' as const,
    'resident' as const,
    'cold' as const,
    'failed' as const,
  ),
  running: fc.nat({ max: 4 }),
  freeTokens: fc.nat({ max: 1_000 }),
  decodeTps: fc.integer({ min: 5, max: 100 }),
  tools: fc.boolean(),
  promised: fc.nat({ max: 3 }),
  faults: fc.nat({ max: 4 }),
  silent: fc.boolean(),
});
const ask = fc.record({
  promptTokens: fc.nat({ max: 400 }),
  maxOutputTokens: fc.nat({ max: 400 }),
  exclude: fc.array(fc.nat({ max: 19 }).map(providerAt), { maxLength: 3 }),
  only: fc.option(fc.array(fc.nat({ max: 19 }).map(providerAt), { minLength: 1, maxLength: 10 }), {
    nil: undefined,
  }),
  requires: fc.option(fc.constant<Trait[]>(['tools']), { nil: undefined }),
});

test('a choice equals the best slot that passes every gate, and every other slot is counted once', () => {
  fc.assert(
    fc.property(
      fc.array(provider, { maxLength: 20 }),
      ask,
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (providers, { only, requires, ...asked }, chance) => {
        const router = new Router({
          suite: SUITE_ID,
          queueDepth: 0,
          graceMs: 0,
          startedAt: 0,
          random: () => chance,
        });
        for (const [
          index,
          {
            draining,
            suite,
            state,
            running,
            freeTokens,
            decodeTps,
            tools,
            promised,
            faults,
            silent,
          },
        ] of providers.entries()) {
          const speeds = { decodeTps, prefillTps: decodeTps * 10, loadMs: 1_000 };
          const offered = slot({
            ...speeds,
            state,
            contextTokens: 600,
            running,
            freeTokens,
            traits: tools ? ['tools'] : [],
          });
          const word = announcement(
            { draining, sealing: { suite, publicKey: new Uint8Array(32) } },
            [offered],
          );
          router.fleet.announce(providerAt(index), word, 0);
          for (let job = 0; job < promised; job += 1)
            router.reservations.take({
              job: `${index} ${job}`,
              account: 'a',
              provider: providerAt(index),
              build: BUILD,
              tokens: 50,
              promptMs: 0,
              at: 1,
            });
          for (let fault = 0; fault < faults; fault += 1)
            router.faults.failed(providerAt(index), 1);
          if (silent) router.fleet.lost(providerAt(index));
        }
        const request: PlacementRequest = {
          ...asked,
          job: 'job',
          builds: [BUILD],
          ...(only && { only }),
          ...(requires && { requires }),
        };
        const servings = router.fleet.serving(BUILD);
        const { candidates, rejected } = choose(() => servings, request, {
          now: 2,
          random: () => chance,
        });
        const gates = servings.map((serving) => failedGate(serving, request, 2));
        const open = gates.filter((gate) => gate === undefined).length;
        const passing =
          open > 0
            ? open
            : gates.includes('crowded')
              ? gates.filter((gate) => gate === 'crowded').length
              : gates.filter(
                  (gate, index) => gate === 'breaker' && hasRoom(servings[index], request),
                ).length;
        expect(candidates).toHaveLength(Math.min(4, passing));
        expect(Object.values(rejected).reduce((sum, count) => sum + count, passing)).toBe(
          servings.length,
        );
        const [winner, ...others] = candidates.map(
          ({ expectedFirstContentMs }) => expectedFirstContentMs,
        );
        if (winner === undefined) return;
        expect(others).toEqual(others.toSorted((one, other) => one - other));
        const best = Math.min(winner, ...others);
        expect(winner).toBeLessThanOrEqual(best + Math.max(10, best * 0.1));
        expect(new Set(candidates.map((candidate) => candidate.provider)).size).toBe(
          candidates.length,
        );
      },
    ),
    { numRuns: 500 },
  );
});

function hasRoom(
  serving: { load: number; maxConcurrency: number; tokensLeft: number } | undefined,
  { promptTokens, maxOutputTokens }: PlacementRequest,
): boolean {
  return (
    serving !== undefined &&
    serving.load < serving.maxConcurrency &&
    promptTokens + maxOutputTokens <= serving.tokensLeft
  );
}
