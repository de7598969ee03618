import { expect, test } from 'vitest';
import { type Reserved, SUITE_ID } from '#bus-schemas';
import { announcement, idOf, slot } from './fleet-under-test.ts';
import { Router } from './router.ts';

/**
 * Two machines serve this build: an honest one, and one that claims a speed which it does not have.
 */
const BUILD = 'sim-llama-8b-q4';
const [HONEST, BOASTER] = [idOf('B'), idOf('C')];
/** The true or claimed speeds of a machine, in tokens per second. */
type Speeds = { readonly decodeTps: number; readonly prefillTps: number };
const m4 = { chip: 'Apple M4', memoryGb: 32, bandwidthGbps: 120, simulated: true };

function announce(
  router: Router,
  provider: string,
  { chip, ...speeds }: Speeds & { chip: string },
  sequence = 1,
): void {
  router.fleet.announce(
    provider,
    announcement({ sequence, machine: { ...m4, chip } }, [
      slot({ build: BUILD, maxConcurrency: 100, ...speeds }),
    ]),
    0,
  );
}

function routerWith(boast: Speeds & { chip: string }): Router {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 4,
    graceMs: 0,
    startedAt: 0,
    random: () => 0,
  });
  announce(router, HONEST, { chip: 'Apple M4', decodeTps: 25, prefillTps: 400 });
  announce(router, BOASTER, boast);
  return router;
}

let jobs = 0;
/** Requests a slot; `only` names the wanted machine. */
function place(
  router: Router,
  now: number,
  only?: string,
): { job: string; candidates: readonly { provider: string; expectedFirstContentMs: number }[] } {
  jobs += 1;
  const job = `job_${String(jobs).padStart(22, '0')}`;
  let reply: Reserved | undefined;
  const sizes = { promptTokens: 100, maxOutputTokens: 100, patienceMs: 0 };
  const request = {
    job,
    account: `acct_${jobs}`,
    model: 'sim',
    builds: [BUILD],
    exclude: [],
    ...sizes,
    ...(only && { only: [only] }),
  };
  const answer = (given: Reserved) => {
    reply = given;
  };
  router.reserve({ request, requestedAt: now, answer }, now);
  return { job, candidates: reply?.ok ? reply.candidates : [] };
}

/** Completes one answer of a machine with these true speeds. */
function serve(
  router: Router,
  provider: string,
  { now, tps, firstContentMs }: { now: number; tps: number; firstContentMs: number },
): void {
  const { job } = place(router, now, provider);
  const firstContentUs = firstContentMs * 1_000;
  const timing = {
    routeUs: 0,
    holdUs: 0,
    firstContentUs,
    totalUs: firstContentUs + Math.round((100 / tps) * 1e6),
  };
  router.jobEnded(
    { job, provider, result: 'completed', attempts: 1, timing, deliveredTokens: 100 },
    now,
  );
}

const expectedOf = (router: Router, provider: string): number => {
  const { job, candidates } = place(router, 60_000, provider);
  router.end(job, 60_000);
  return candidates[0]?.expectedFirstContentMs ?? 0;
};

test('a claim of 5,000 tokens per second is limited to the speed of the chip', () => {
  const boaster = routerWith({ chip: 'Apple M4', decodeTps: 5_000, prefillTps: 50_000 });
  // Reading 4 GB of weights at 120 GB/s, and 1.6 teraflop for 100 prompt tokens at 8.5 teraflops.
  expect(expectedOf(boaster, BOASTER)).toBeCloseTo((1_000 * 4) / 120 + (1_000 * 1.6) / 8.5, 3);
  // Without a limit the result would be about 2 ms.
  const unknown = routerWith({ chip: 'Unheard-of 9', decodeTps: 5_000, prefillTps: 50_000 });
  expect(expectedOf(unknown, BOASTER)).toBeCloseTo((1_000 * 4) / 100 + (1_000 * 1.6) / 8.2, 3);
});

test('after two answers a measured speed replaces a false claim, which attracts no more work', () => {
  const boast = { chip: 'Apple M3 Ultra', decodeTps: 5_000, prefillTps: 50_000 };
  const router = routerWith(boast);
  for (let answer = 0; answer < 4; answer += 1)
    serve(router, HONEST, { now: 1_000 * answer, tps: 25, firstContentMs: 290 });
  expect(place(router, 5_000).candidates[0]?.provider).toBe(BOASTER);
  for (let answer = 0; answer < 2; answer += 1)
    serve(router, BOASTER, { now: 6_000 + answer, tps: 2, firstContentMs: 4_000 });
  announce(router, BOASTER, boast, 2);
  expect(expectedOf(router, BOASTER)).toBeGreaterThan(500);
  expect(place(router, 7_000).candidates[0]?.provider).toBe(HONEST);
});
