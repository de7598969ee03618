import { createServer } from 'node:net';
import { cpus } from 'node:os';
import { messageOf } from '#bus-schemas/message-of.ts';
import type { BenchRun } from './history/entry.ts';
import { circumstances, storeEntry } from './history/store-entry.ts';
import { type Load, run } from './load.ts';
import { cpuSecondsOfAll, memoryOf } from './process-figures.ts';
import { type Measured, startDirect, startOurs, startRival } from './processes.ts';
import { percentile, rounded, show, spread } from './statistics.ts';

/**
 * Sizes: `full` for measurements, `smoke` to check that the benchmark works. All runs are
 * interleaved.
 */
const sizes = {
  full: { rounds: 7, requests: { 1: 300, 16: 1_600, 64: 4_800 } },
  smoke: { rounds: 2, requests: { 1: 60, 16: 320, 64: 640 } },
} as const;
type Size = (typeof sizes)[keyof typeof sizes];

const SHORT_ANSWER_TOKENS = 8;
const say = (line = '') => console.log(line);

/** Prints the results. At full size it also stores them in docs/bench. */
export async function bench(name: keyof typeof sizes): Promise<void> {
  const size = sizes[name];
  const entry = name === 'full' ? circumstances() : undefined;
  const runs: BenchRun[] = [];
  const [{ model = 'unknown' } = {}] = cpus();
  say(
    `${name} size; ${cpus().length} × ${model}; node ${process.version}. Times in ms; median of the rounds (least–most).`,
  );
  await using direct = await startDirect(0);
  await using ours = await startOurs(0);
  await using rival = await startRival(direct.target, await freePort(), say);
  const measured = [direct, ours, ...(rival ? [rival] : [])];
  for (const { target } of measured)
    await run(target, {
      concurrency: 16,
      requests: 400,
      maxTokens: SHORT_ANSWER_TOKENS,
      stream: false,
    });
  for (const stream of [false, true]) {
    const answering = await answeringOf(measured, {
      concurrency: 1,
      requests: 1,
      maxTokens: SHORT_ANSWER_TOKENS,
      stream,
    });
    for (const concurrency of [1, 16, 64] as const)
      runs.push(
        ...(await compare(answering, size, {
          concurrency,
          requests: size.requests[concurrency],
          maxTokens: SHORT_ANSWER_TOKENS,
          stream,
        })),
      );
  }
  say(`  memory after the requests ${memoryOf(ours.pid)}`);
  if (entry !== undefined) say(`\nthe results are stored in ${storeEntry(entry, runs)}`);
}

/**
 * Returns the servers that can answer such a request, and prints the error of each of the others.
 */
async function answeringOf(measured: readonly Measured[], load: Load): Promise<Measured[]> {
  const answering: Measured[] = [];
  for (const one of measured) {
    try {
      await run(one.target, load);
      answering.push(one);
    } catch (error) {
      say(`\n${one.target.name} is left out: ${messageOf(error)}`);
    }
  }
  return answering;
}

async function compare(
  measured: readonly Measured[],
  { rounds }: Size,
  load: Load,
): Promise<BenchRun[]> {
  const results = measured.map(({ target }) => ({
    name: target.name,
    processorMs: [] as number[],
    p50: [] as number[],
    p99: [] as number[],
    first50: [] as number[],
    rate: [] as number[],
    failed: 0,
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { target, pid }] of measured.entries()) {
      const before = cpuSecondsOfAll(pid);
      const result = await run(target, load);
      const seconds = cpuSecondsOfAll(pid) - before;
      const figures = results[index];
      if (figures === undefined) continue;
      figures.processorMs.push((seconds * 1_000) / load.requests);
      figures.p50.push(percentile(result.latenciesMs, 0.5));
      figures.p99.push(percentile(result.latenciesMs, 0.99));
      figures.first50.push(percentile(result.firstBytesMs, 0.5));
      figures.rate.push(result.perSecond);
      figures.failed += result.failed;
    }
  }
  say(
    `\n${load.stream ? 'streamed' : 'whole'} answers of ${load.maxTokens} tokens, c=${load.concurrency}, ${rounds} rounds of ${load.requests}`,
  );
  const [base] = results;
  for (const { name, processorMs, p50, p99, first50, rate, failed } of results) {
    const added = (mine: number[], theirs: number[] | undefined) =>
      spread(mine.map((value, round) => value - (theirs?.[round] ?? 0)));
    const more =
      name === base?.name
        ? ''
        : `  added p50 ${show(added(p50, base?.p50))}  p99 ${show(added(p99, base?.p99))}`;
    say(
      `  ${name.padEnd(20)} processor ms/request ${show(spread(processorMs))}  ${show(spread(rate), 0).padStart(18)}/s  p50 ${show(spread(p50))}  p99 ${show(spread(p99))}  first byte ${show(spread(first50))}${more}${failed > 0 ? `  FAILED ${failed}` : ''}`,
    );
  }
  return results.map(({ name, processorMs, p50, p99, first50, rate, failed }) => ({
    server: name,
    stream: load.stream,
    concurrency: load.concurrency,
    tokens: load.maxTokens,
    requests: load.requests,
    rounds,
    failed,
    processorMsPerRequest: rounded(spread(processorMs)),
    requestsPerSecond: rounded(spread(rate)),
    medianMs: rounded(spread(p50)),
    p99Ms: rounded(spread(p99)),
    firstByteMs: rounded(spread(first50)),
  }));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      );
    });
  });
}
