import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import {
  type Announcement,
  Beat,
  core,
  events,
  SUITE_ID,
  services,
  TrustVerdict,
  type Verdict,
} from '#bus-schemas';
import { type Bus, componentNames } from '#coordinator';
import { startNetwork } from '#network';
import { type SupervisedProcess, startSupervised } from '#provider';
import { imaginaryId, simulatedModels } from '#simulator';
import { DINF, operatorSettings } from '../dinf-program.ts';
import type { Target } from './http-stream-client.ts';
import { run } from './load.ts';
import { cpuSeconds, processesOf } from './process-figures.ts';
import { percentile, show, spread } from './statistics.ts';

/**
 * Sizes of the benchmark of a fleet's cost for requests and router. First, ten machines serve and
 * all others (`heardOf`) only send heartbeats that announce no free capacity, so that their own
 * load is not measured. Then all machines run (`there`), each with its own connection, account and
 * leaf link, which needs 8 MB of memory per machine.
 */
const sizes = {
  full: {
    heardOf: [10, 1_000, 10_000],
    there: [10, 1_000, 2_000],
    rounds: 7,
    requests: 200,
    watchSeconds: 20,
  },
  smoke: { heardOf: [10, 200], there: [10, 30], rounds: 2, requests: 30, watchSeconds: 2 },
} as const;

/** Simulated providers in one process; more would wait for each other and not for the router. */
const PROVIDERS_A_PROCESS = 500;
const READY_MS = 300_000;
const CALL = { timeoutMs: 10_000 };
const CREDIT_MICRO_USD = 1_000_000_000;
const BUILD = 'sim-llama-8b-q4';
const BEAT_MS = 5_000;
const say = (line = '') => console.log(line);

export async function benchFleet(name: keyof typeof sizes): Promise<void> {
  const { heardOf, there: fleets, rounds, requests, watchSeconds } = sizes[name];
  const [{ model = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${model}; node ${process.version}. Median of ${rounds} rounds (least–most).`,
  );
  await using stack = new AsyncDisposableStack();
  const log = pino({ level: 'silent' });
  const network = stack.use(
    await startNetwork({
      log,
      components: componentNames.filter((component) => component !== 'routing'),
      config: { http: { host: '127.0.0.1', port: 0 } },
    }),
  );
  const env = {
    ...process.env,
    ...operatorSettings(network),
    DINF_LOG: 'info',
  };
  const start = async (
    what: string,
    args: readonly string[],
    ready: string,
    more: NodeJS.ProcessEnv = {},
  ): Promise<SupervisedProcess> =>
    stack.use(
      await startSupervised({
        name: what,
        command: process.execPath,
        args: [DINF, ...args],
        env: { ...env, ...more },
        isReady: (line) => line.includes(ready),
        readyTimeoutMs: READY_MS,
        stopTimeoutMs: 60_000,
      }),
    );
  const startRouter = () =>
    start('router', ['coordinator', '--components', 'routing'], 'the coordinator runs');
  let router = await startRouter();
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
  const known = async (gate: 'open' | 'busy') =>
    (
      await network.coordinator.bus.call(
        services.routing.explain,
        { builds: [BUILD], promptTokens: 1, maxOutputTokens: 1 },
        CALL,
      )
    ).tally[gate] ?? 0;
  let there = 0;
  const grow = async (fleet: number): Promise<number> => {
    const began = performance.now();
    while (there < fleet) {
      const count = Math.min(PROVIDERS_A_PROCESS, fleet - there);
      const tokens = await Promise.all(Array.from({ length: count }, () => network.enrolToken()));
      const args = [
        'simulate',
        '--providers',
        String(count),
        '--leaves',
        'shared',
        '--chip',
        'm3-ultra',
        '--token-ms',
        '0',
        '--coordinator',
        network.url,
      ];
      await start('fleet', args, 'simulated providers are ready', {
        DINF_HOME: join(network.home, `fleet-${there}`),
        DINF_ENROL_TOKENS: tokens.join(','),
      });
      there += count;
    }
    while ((await known('open')) < fleet) await delay(250);
    return (performance.now() - began) / 1_000;
  };
  const load = { requests, maxTokens: 8, stream: false };
  const latency = async (): Promise<string> => {
    await run(target, { ...load, concurrency: 1 });
    const p50: number[] = [];
    for (let round = 0; round < rounds; round += 1)
      p50.push(percentile((await run(target, { ...load, concurrency: 1 })).latenciesMs, 0.5));
    return `request p50 ${show(spread(p50))} ms`;
  };
  const busy = async (work: () => Promise<unknown>): Promise<string> => {
    const [before, began] = [cpuSeconds(router.pid), performance.now()];
    await work();
    return percent((cpuSeconds(router.pid) - before) / ((performance.now() - began) / 1_000));
  };
  await grow(fleets[0]);
  {
    using crowd = new Crowd(network.coordinator.bus);
    for (const fleet of heardOf) {
      crowd.grow(fleet - there);
      while ((await known('busy')) < fleet - there) await delay(250);
      say(
        `${String(fleet).padStart(6)} heard of    ${await latency()}   router ${await busy(() => delay(1_000 * watchSeconds))} of a core with beats alone`,
      );
    }
  }
  // Restart the router, because it would keep the silent machines of the first part in memory.
  await router.stop();
  router = await startRouter();
  for (const fleet of fleets) {
    const seconds = await grow(fleet);
    const p50 = await latency();
    const idle = await busy(() => delay(1_000 * watchSeconds));
    let served = 0;
    const until = performance.now() + 1_000 * watchSeconds;
    const loaded = await busy(async () => {
      while (performance.now() < until)
        served += (await run(target, { ...load, requests: 100, concurrency: 4 })).latenciesMs
          .length;
    });
    const [memory] = processesOf(router.pid);
    say(
      `${String(fleet).padStart(6)} there       ${p50}   router ${idle} of a core with beats alone, ${loaded} at ${(served / watchSeconds).toFixed(0)} requests/s, ${memory?.megabytes.toFixed(0)} MB   (after ${seconds.toFixed(0)} s)`,
    );
  }
}

/** Machines that send heartbeats without free capacity: they only make routing decisions slower. */
class Crowd implements Disposable {
  readonly #bus: Bus;
  readonly #timers: NodeJS.Timeout[] = [];
  #size = 0;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  grow(size: number): void {
    for (; this.#size < size; this.#size += 1) {
      const id = imaginaryId(this.#size);
      this.#bus.publish(events.trustVerdict, TrustVerdict, verdictFor(id));
      const say = () => this.#bus.publish(core.up(id, 'beat'), Beat, fullMachine());
      say();
      this.#timers.push(setInterval(say, BEAT_MS));
    }
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
  }
}

/** A verdict for a machine that trust does not know, so that the router considers it at all. */
const verdictFor = (provider: string): Verdict => ({
  provider,
  revision: 1,
  standing: 'verified',
  level: 'self_signed',
  sealingKey: new Uint8Array(32),
  at: Date.now(),
  freshUntil: Date.now() + 3_600_000,
});

let sequence = 0;
const fullMachine = (): Announcement => ({
  session: 's_000000000000',
  sequence: ++sequence,
  draining: false,
  agentVersion: '1',
  machine: { chip: 'M', memoryGb: 64, bandwidthGbps: 400, simulated: true },
  engine: 'simulated',
  sealing: { suite: SUITE_ID, publicKey: new Uint8Array(32) },
  slots: [
    {
      build: BUILD,
      state: 'resident',
      contextTokens: 8_192,
      running: 4,
      waiting: 0,
      maxConcurrency: 4,
      freeTokens: 100_000,
      decodeTps: 50,
      prefillTps: 1_000,
      loadMs: 0,
    },
  ],
});

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
