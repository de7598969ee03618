import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { services } from '#bus-schemas';
import { componentNames } from '#coordinator';
import { type SupervisedProcess, startSupervised } from '#provider';
import { simulatedModels } from '#simulator';
import { startNetwork } from '#testcontainers';
import type { Target } from './http-stream-client.ts';
import { run } from './load.ts';
import { memoryOf } from './memory.ts';
import { percentile, show, spread } from './statistics.ts';

/** What a fleet costs the router and the requests, over the real bus: every provider with a connection, an account and beats of its own. */
const sizes = {
  full: { fleets: [10, 1_000, 2_000], rounds: 5, requests: 200, watchSeconds: 20 },
  smoke: { fleets: [10, 60], rounds: 2, requests: 30, watchSeconds: 3 },
} as const;

const DINF = join(resolve(import.meta.dirname, '../..'), 'bin', 'dinf.ts');
/** Of one process: more would take turns with each other instead of with the router. */
const PROVIDERS_A_PROCESS = 500;
const READY_MS = 300_000;
const CALL = { timeoutMs: 10_000 };
const CREDIT_MICRO_USD = 1_000_000_000;
const TICKS_PER_SECOND = 100;
const say = (line = '') => console.log(line);

export async function benchFleet(name: keyof typeof sizes): Promise<void> {
  const { fleets, rounds, requests, watchSeconds } = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(`${name} size; ${cpus().length} × ${model}; node ${process.version}. Median of ${rounds} rounds (least–most).`);
  await using stack = new AsyncDisposableStack();
  const log = pino({ level: 'silent' });
  const network = stack.use(
    await startNetwork({ log, components: componentNames.filter((component) => component !== 'routing'), config: { http: { host: '127.0.0.1', port: 0 } } }),
  );
  const env = {
    ...{ ...process.env, DINF_HOME: network.home, DINF_NATS_URL: network.config.natsUrls.join(','), DATABASE_URL: network.databaseUrl, DINF_LOG: 'info' },
  };
  const start = async (what: string, args: readonly string[], ready: string, more: NodeJS.ProcessEnv = {}): Promise<SupervisedProcess> =>
    stack.use(
      await startSupervised({
        ...{ name: what, command: process.execPath, args: [DINF, ...args], env: { ...env, ...more } },
        ...{ isReady: (line) => line.includes(ready), readyTimeoutMs: READY_MS, stopTimeoutMs: 60_000 },
      }),
    );
  const router = await start('router', ['coordinator', '--components', 'routing'], 'the coordinator runs');
  await network.putModels(simulatedModels);
  const { apiKey } = await network.createKey({ name: 'bench', creditMicroUsd: CREDIT_MICRO_USD });
  const { hostname, port } = new URL(network.url);
  const target: Target = {
    name: 'd-inference',
    host: hostname,
    port: Number(port),
    path: '/v1/chat/completions',
    headers: { authorization: `Bearer ${apiKey}` },
  };
  const known = async () => {
    const { slots, tally } = await network.coordinator.bus.call(
      services.routing.explain,
      { builds: ['sim-llama-8b-q4'], promptTokens: 1, maxOutputTokens: 1 },
      CALL,
    );
    return tally['open'] ?? slots.length;
  };
  let there = 0;
  for (const fleet of fleets) {
    const began = performance.now();
    while (there < fleet) {
      const count = Math.min(PROVIDERS_A_PROCESS, fleet - there);
      const tokens = await Promise.all(Array.from({ length: count }, () => network.enrolToken()));
      const args = ['simulate', '--providers', String(count), '--leaves', 'shared', '--chip', 'm3-ultra', '--token-ms', '0', '--coordinator', network.url];
      await start('fleet', args, 'simulated providers are ready', { DINF_HOME: join(network.home, `fleet-${there}`), DINF_ENROL_TOKENS: tokens.join(',') });
      there += count;
    }
    while ((await known()) < fleet) await delay(250);
    const seconds = (performance.now() - began) / 1_000;
    const load = { requests, maxTokens: 8, stream: false };
    await run(target, { ...load, concurrency: 1 });
    const p50: number[] = [];
    for (let round = 0; round < rounds; round += 1) p50.push(percentile((await run(target, { ...load, concurrency: 1 })).latenciesMs, 0.5));
    const before = cpuSeconds(router.pid);
    const until = performance.now() + 1_000 * watchSeconds;
    let served = 0;
    while (performance.now() < until) served += (await run(target, { ...load, requests: 100, concurrency: 4 })).latenciesMs.length;
    const share = (cpuSeconds(router.pid) - before) / ((performance.now() - until) / 1_000 + watchSeconds);
    const idleBefore = cpuSeconds(router.pid);
    await delay(1_000 * watchSeconds);
    const idle = (cpuSeconds(router.pid) - idleBefore) / watchSeconds;
    const [memory] = memoryOf(router.pid);
    say(
      `${String(fleet).padStart(6)} providers   request p50 ${show(spread(p50))} ms   router ${percent(idle)} of a core with beats alone, ${percent(share)} at ${(served / watchSeconds).toFixed(0)} requests/s, ${memory?.megabytes.toFixed(0)} MB   (there after ${seconds.toFixed(0)} s)`,
    );
  }
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** User and system time of a process so far; nothing where there is no /proc. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}
