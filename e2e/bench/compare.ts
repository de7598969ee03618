import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Load, run } from './load.ts';
import { PARTS, type Part, processorMsByPart } from './network-parts.ts';
import { type Measured, startOurs } from './processes.ts';
import { percentile, show, spread } from './statistics.ts';

const sizes = {
  full: { rounds: 15, requests: { 1: 200, 64: 1_000 }, warmUp: 4_000 },
  smoke: { rounds: 2, requests: { 1: 40, 64: 128 }, warmUp: 200 },
} as const;

const TOKENS = 8;
/** Time in which a network settles the last requests of a round, in milliseconds. */
const REST_MS = 500;
const FIGURES = [...PARTS, 'all', 'p50', 'p99'] as const;
type Figures = Record<(typeof FIGURES)[number], number>;
const say = (line = '') => console.log(line);

/**
 * Compares this checkout with another one: two networks, measured in turns. First comes the
 * processor time of one request in microseconds by part of the network, then times of requests.
 * Processor time depends on what else the machine does, so only the ratios within one run count.
 */
export async function benchCompare(name: keyof typeof sizes, other: string): Promise<void> {
  const { rounds, requests, warmUp } = sizes[name];
  await using before = await startOurs(0, { checkout: resolve(other) });
  await using after = await startOurs(0);
  const networks = { before, after };
  for (const { target } of Object.values(networks))
    await run(target, { concurrency: 16, requests: warmUp, maxTokens: TOKENS, stream: false });
  for (const concurrency of [1, 64] as const) {
    const load = { concurrency, requests: requests[concurrency], maxTokens: TOKENS, stream: false };
    const measured = { before: [] as Figures[], after: [] as Figures[] };
    for (let round = 0; round < rounds; round += 1) {
      // Neither network is always measured first.
      const order =
        round % 2 === 0 ? (['before', 'after'] as const) : (['after', 'before'] as const);
      for (const which of order) measured[which].push(await measure(networks[which], load));
    }
    report(`c=${concurrency}, ${rounds} rounds of ${load.requests}`, measured);
  }
}

async function measure({ target, pid }: Measured, load: Load): Promise<Figures> {
  const start = processorMsByPart(pid);
  const { latenciesMs, failed } = await run(target, load);
  if (failed > 0) throw new Error(`${failed} of ${load.requests} requests failed`);
  await delay(REST_MS);
  const end = processorMsByPart(pid);
  const used = (part: Part) => ((end[part] - start[part]) * 1_000) / load.requests;
  const parts = Object.fromEntries(PARTS.map((part) => [part, used(part)])) as Record<Part, number>;
  return {
    ...parts,
    all: Object.values(parts).reduce((sum, each) => sum + each, 0),
    p50: percentile(latenciesMs, 0.5) * 1_000,
    p99: percentile(latenciesMs, 0.99) * 1_000,
  };
}

function report(
  title: string,
  { before, after }: { before: readonly Figures[]; after: readonly Figures[] },
): void {
  say(`\n${title}: microseconds for a request, median of the rounds (least–most)`);
  for (const figure of FIGURES) {
    const [old, now] = [before, after].map((rounds) => rounds.map((round) => round[figure]));
    const ratios = (now ?? []).map((value, round) => value / (old?.[round] ?? Number.NaN));
    say(
      `  ${figure.padEnd(12)} before ${show(spread(old ?? []), 0).padEnd(20)} after ${show(spread(now ?? []), 0).padEnd(20)} after ÷ before ${show(spread(ratios))}`,
    );
  }
}
