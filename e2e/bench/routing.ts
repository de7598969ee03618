import { cpus } from 'node:os';
import { newJobId, SUITE_ID } from '#bus-schemas';
import { Router } from '#coordinator/routing/core/router.ts';
import { imaginaryId } from '#simulator';
import { percentile, show, spread } from './statistics.ts';

/**
 * Sizes of the benchmark of routing decisions by fleet size: the router alone, with a partly busy
 * fleet.
 */
const sizes = {
  full: { rounds: 7, decisions: 1_000, fleets: [10, 1_260, 10_000, 50_000] },
  smoke: { rounds: 2, decisions: 200, fleets: [10, 1_260, 10_000] },
} as const;

const BUILD = 'bench-build';
/** Number of jobs that run while further jobs are placed. */
const RUNNING = 64;
const say = (line = '') => console.log(line);

export function benchRouting(name: keyof typeof sizes): void {
  const { rounds, decisions, fleets } = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${model}; node ${process.version}. Median of ${rounds} interleaved rounds (least–most).`,
  );
  const routers = fleets.map((providers) => ({
    providers,
    router: routerWith(providers),
    p50: [] as number[],
    p99: [] as number[],
    perSecond: [] as number[],
  }));
  // Warm up: the first decisions are slower, because the code is still being compiled.
  for (const { router } of routers) decide(router, decisions);
  for (let round = 0; round < rounds; round += 1) {
    for (const { router, p50, p99, perSecond } of routers) {
      const startedAt = performance.now();
      const times = decide(router, decisions);
      perSecond.push((1_000 * decisions) / (performance.now() - startedAt));
      p50.push(percentile(times, 0.5) * 1_000);
      p99.push(percentile(times, 0.99) * 1_000);
    }
  }
  for (const { providers, p50, p99, perSecond } of routers) {
    say(
      `${String(providers).padStart(6)} providers   decision p50 ${show(spread(p50), 0)} µs   p99 ${show(spread(p99), 0)} µs   ${show(spread(perSecond), 0)} reservations/s`,
    );
  }
}

/** Returns the time of each reservation. A reservation ends after `RUNNING` further ones. */
function decide(router: Router, decisions: number): number[] {
  const times: number[] = [];
  const running: string[] = [];
  for (let count = 0; count < decisions; count += 1) {
    const job = newJobId();
    const now = performance.now();
    const request = {
      job,
      account: `acct_${count % 20}`,
      model: 'bench',
      builds: [BUILD],
      promptTokens: 500,
      maxOutputTokens: 500,
      patienceMs: 0,
      exclude: [],
    };
    router.reserve(
      { request, requestedAt: now, answer: (reply) => void (reply.ok && running.push(job)) },
      now,
    );
    times.push(performance.now() - now);
    if (running.length > RUNNING) router.end(running.shift() as string, performance.now());
  }
  for (const job of running) router.end(job, performance.now());
  return times;
}

function routerWith(providers: number): Router {
  const router = new Router({
    suite: SUITE_ID,
    queueDepth: 128,
    graceMs: 0,
    startedAt: 0,
    random: Math.random,
  });
  for (let index = 0; index < providers; index += 1) {
    const speed = 20 + (index % 9) * 10;
    const slot = {
      build: BUILD,
      state: 'resident' as const,
      contextTokens: 32_768,
      running: index % 5,
      waiting: 0,
      maxConcurrency: 8,
      freeTokens: 200_000,
    };
    router.fleet.announce(
      imaginaryId(index),
      {
        session: 's_0123456789ab',
        sequence: 1,
        draining: index % 50 === 0,
        agentVersion: '1',
        engine: 'simulated',
        machine: { chip: 'M', memoryGb: 64, bandwidthGbps: 400, simulated: true },
        sealing: { suite: SUITE_ID, publicKey: new Uint8Array(32) },
        slots: [{ ...slot, decodeTps: speed, prefillTps: speed * 20, loadMs: 5_000 }],
      },
      0,
    );
  }
  return router;
}
