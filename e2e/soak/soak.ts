import { appendFileSync, writeFileSync } from 'node:fs';
import { Client } from 'pg';
import { runningNetwork } from '#bus-schemas/running-network.ts';
import { freePort } from '#network';
import { ClientBook, isServed } from '../chaos/live/client-book.ts';
import { Load, pause } from '../chaos/live/load.ts';
import { startUpProcess } from '../up-process.ts';
import { INSPECTED, liveHeapMiB } from './figures/live-heap.ts';
import { nodeProcesses, sampleProcesses } from './figures/process-samples.ts';
import { judge, type Sample, seriesOf, type Verdict } from './figures/series.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Time between two samples, in milliseconds. */
  readonly everyMs: number;
  /** The file for the samples, one line of JSON for each. */
  readonly file: string;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
  readonly print: (line: string) => void;
}

export interface SoakResult {
  readonly samples: readonly Sample[];
  readonly verdicts: readonly Verdict[];
  readonly failed: number;
}

const PROVIDERS = 2;
const PLACES = 8;
/** As many clients as half of the places of all machines: about half of the load that they carry. */
const CLIENTS = (PROVIDERS * PLACES) / 2;
const TOKEN_MS = 25;
const PAUSE_MS = 100;
const DEADLINE_MS = 120_000;
/** Collecting garbage takes processor time, so it is not done for each sample. */
const HEAPS_EVERY_MS = 60_000;
const BYTES_A_KIB = 1_024;
const SEED = 1;

/** Runs `dinf up` under a steady load, and measures what each of its processes holds. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { minutes, everyMs, file, print } = options;
  let logBytes = 0;
  const metrics = await freePort();
  await using up = await startUpProcess({
    args: [
      ...['--providers', String(PROVIDERS), '--concurrency', String(PLACES)],
      ...['--engine', 'none', '--token-ms', String(TOKEN_MS), '--endless'],
    ],
    env: { DINF_METRICS_PORT: String(metrics), NODE_OPTIONS: INSPECTED },
    onLine: (line) => {
      logBytes += line.length + 1;
    },
  });
  writeFileSync(file, '');
  print(`the network runs; samples go to ${file}`);
  const database = new Client(runningNetwork(up.home)?.databaseUrl);
  await database.connect();
  await using _closed = { [Symbol.asyncDispose]: () => database.end() };
  const book = new ClientBook('a soak', DEADLINE_MS);
  const load = { book, ingresses: new Map([['up', up.url]]), apiKey: up.apiKey, seed: SEED };
  const samples: Sample[] = [];
  let heapsAt = Number.NEGATIVE_INFINITY;
  const nextHeaps = async (pid: number): Promise<Record<string, number>> => {
    if (performance.now() - heapsAt < HEAPS_EVERY_MS) return {};
    heapsAt = performance.now();
    return liveHeaps(pid);
  };
  const counts = { requests: 0, failed: 0 };
  {
    await using _load = new Load({ ...load, clients: CLIENTS, pauseMs: PAUSE_MS });
    const begun = performance.now();
    const elapsed = () => performance.now() - begun;
    while (elapsed() < minutes * 60_000 && options.signal?.aborted !== true) {
      await pause(everyMs, options.signal ?? new AbortController().signal);
      for (const entry of book.takeEnded()) {
        counts.requests += 1;
        if (isServed(entry)) continue;
        counts.failed += 1;
        print(`a request was ${entry.outcome}: ${entry.detail}`);
      }
      const sample: Sample = {
        minute: elapsed() / 60_000,
        processes: sampleProcesses(up.process.pid),
        heapMiB: await nextHeaps(up.process.pid),
        ...(await readFigures(metrics)),
        rows: await countRows(database),
        logKiB: logBytes / BYTES_A_KIB,
        ...counts,
      };
      samples.push(sample);
      appendFileSync(file, `${JSON.stringify(sample)}\n`);
    }
  }
  return { samples, verdicts: judge(seriesOf(samples)), failed: counts.failed };
}

/** What is left on the heaps of the program after their garbage was collected. */
async function liveHeaps(root: number): Promise<Record<string, number>> {
  const heaps: Record<string, number> = {};
  for (const [name, pid] of nodeProcesses(root)) {
    const size = await liveHeapMiB(pid);
    if (size !== undefined) heaps[name] = size;
  }
  return heaps;
}

/** The event loops of the two processes of the program, and the streams. */
async function readFigures(port: number): Promise<Pick<Sample, 'loopMs' | 'streams'>> {
  const [coordinator, machines] = await Promise.all(
    [port, port + 1].map(async (each) => (await fetch(`http://127.0.0.1:${each}/metrics`)).text()),
  );
  const streams: Record<string, { messages: number; bytes: number }> = {};
  for (const [, figure, name = '', value] of (coordinator ?? '').matchAll(
    /^dinf_stream_(messages|bytes)\{.*?stream="(\w+)".*?\} (\S+)$/gm,
  )) {
    const known = streams[name] ?? { messages: 0, bytes: 0 };
    streams[name] = { ...known, [figure as string]: Number(value) };
  }
  return {
    loopMs: { coordinator: loopOf(coordinator), machines: loopOf(machines) },
    streams,
  };
}

const loopOf = (figures = ''): number =>
  Number(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(figures)?.[1]) * 1_000;

async function countRows(database: Client): Promise<Record<string, number>> {
  const { rows: tables } = await database.query<{ name: string }>(
    "SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
  );
  const counts = tables.map(
    ({ name }) => `SELECT '${name}' AS name, count(*)::int AS count FROM ${name}`,
  );
  const { rows } = await database.query<{ name: string; count: number }>(
    counts.join(' UNION ALL '),
  );
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}
