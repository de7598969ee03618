import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { PastFault } from './book-rules.ts';
import { type ChaosNetwork, HUB, JOB_MS, startChaosNetwork } from './chaos-network.ts';
import { type BookEntry, ClientBook, isServed } from './client-book.ts';
import { begin, missingKinds, NEVER, sentenceOf, targetsOf } from './faults.ts';
import { type BrokenRule, judge } from './judge.ts';
import { Load } from './load.ts';
import { Probes } from './outage.ts';
import { type ChaosFault, drawFaults } from './schedule.ts';

export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  /** Longest fault, in milliseconds. */
  readonly longestMs?: number;
  readonly clients?: number;
  /** Longest outage after the end of a fault, in milliseconds. */
  readonly outageLimitMs?: number;
  /** Ends the faults early. */
  readonly signal?: AbortSignal;
  readonly print: (line: string) => void;
}

export interface ChaosResult {
  readonly faults: readonly PastFault[];
  readonly requests: number;
  /** A sentence for each place where a rule was broken. */
  readonly violations: readonly BrokenRule[];
}

const LONGEST_FAULT_MS = 12_000;
const OUTAGE_MS = 10_000;
const CLIENTS = 10;
const PAUSE_MS = 400;
/** Time in which a client gives up: that of a job, and what a frozen process may add. */
const DEADLINE_MS = JOB_MS + LONGEST_FAULT_MS + 13_000;
/** Without a fault, the network is observed for so long before the first one, in milliseconds. */
const CALM_MS = 3_000;
/** After this time without an answer, the run goes on with the next fault, in milliseconds. */
const GIVE_UP_MS = 60_000;
const LOOK_MS = 200;

/** Breaks a network of real processes in one place after the other, and judges it by its clients. */
export async function chaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, minutes, print, clients = CLIENTS } = options;
  const { longestMs = LONGEST_FAULT_MS, outageLimitMs = OUTAGE_MS } = options;
  const missing = missingKinds();
  for (const [kind, why] of missing) print(`left out: ${kind} (${why})`);
  for (const [kind, why] of Object.entries(NEVER)) print(`left out: ${kind} (${why})`);
  const startedAt = performance.now();
  const restarts: string[] = [];
  await using network = await startChaosNetwork({
    log: pino({ level: 'silent' }),
    withDisks: !missing.has('disk full'),
    onRestart: (sentence) => void restarts.push(sentence),
  });
  print(
    `the network runs after ${seconds(performance.now() - startedAt)}; its logs are in ${network.logs}`,
  );
  const book = new ClientBook(`the run ${seed}`, DEADLINE_MS);
  const asked = { book, ingresses: network.ingresses, apiKey: network.apiKey };
  const faults: PastFault[] = [];
  {
    await using _load = new Load({ ...asked, seed, clients, pauseMs: PAUSE_MS });
    await using probes = new Probes(asked);
    await delay(CALM_MS);
    const beganAt = performance.now();
    const isOver = () =>
      performance.now() - beganAt > minutes * 60_000 || options.signal?.aborted === true;
    for (const fault of drawFaults(seed, targetsOf(network), longestMs)) {
      if (isOver()) break;
      if (missing.has(fault.kind)) continue;
      restarts.length = 0;
      const past = await suffer({ network, probes, fault });
      faults.push(past.fault);
      print(`${seconds(past.fault.from - beganAt).padStart(8)}  ${past.story}`);
      for (const sentence of restarts) print(`          ${sentence}`);
    }
  }
  print('no further faults; waiting until every job has ended');
  const violations = await judge(network, { book, faults, outageLimitMs });
  summarize({ options, book, faults, violations });
  return { faults, requests: book.entries.length, violations };
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

interface Suffering {
  readonly network: ChaosNetwork;
  readonly probes: Probes;
  readonly fault: ChaosFault;
}

/** Lets one fault happen, and waits until the network serves again. */
async function suffer({
  network,
  probes,
  fault,
}: Suffering): Promise<{ fault: PastFault; story: string }> {
  const from = performance.now();
  const heal = await begin(network, fault);
  await delay(fault.forMs);
  const did = await heal();
  const healedAt = performance.now();
  const outage = await probes.outage({ begunAt: from, healedAt, limitMs: GIVE_UP_MS });
  await Promise.all([...network.parts.values()].map((part) => part.whenRunning()));
  const storesAfterMs = fault.target === HUB ? await untilStored(network, healedAt) : 0;
  const sentence = sentenceOf(fault);
  const story = [
    `${sentence} for ${seconds(healedAt - from)}${did === undefined ? '' : `: ${did}`}; `,
    outage.failed === 0
      ? 'every small request was served'
      : `${outage.failed} small requests were not served, within ${seconds(outage.wholeMs)}`,
    `; served again ${seconds(outage.afterMs)} after its end`,
    storesAfterMs > LOOK_MS ? `; facts stored again after ${seconds(storesAfterMs)}` : '',
  ].join('');
  return {
    story,
    fault: {
      target: fault.target,
      sentence: `${seconds(fault.forMs)}: ${sentence}`,
      isOfMachines: /machines|network|processes/.test(fault.target),
      from,
      until: performance.now(),
      outageMs: outage.afterMs,
    },
  };
}

/**
 * Waits until the hub stores facts again: `dinf up` restarts it some seconds after its disk was full.
 * The small requests are facts that it has to store.
 */
async function untilStored(network: ChaosNetwork, since: number): Promise<number> {
  const { bus } = network.network.coordinator;
  let first: number | undefined;
  for (const giveUpAt = performance.now() + GIVE_UP_MS; performance.now() < giveUpAt; ) {
    const last = await lastFact(network);
    first ??= last;
    const isStored = first !== undefined && last !== undefined && last > first;
    if (isStored && bus.failingStreams().length === 0) break;
    await delay(LOOK_MS);
  }
  return performance.now() - since;
}

/** The number of the last fact about a request; undefined while the hub does not answer. */
async function lastFact({ network }: ChaosNetwork): Promise<number | undefined> {
  try {
    const manager = await network.coordinator.bus.manager();
    return (await manager.streams.info('JOBS')).state.last_seq;
  } catch {
    // The hub is being restarted.
    return undefined;
  }
}

/** The status and code of a refusal, or what happened to the connection. */
function reasonOf({ outcome, detail = '' }: BookEntry): string {
  const status = /^\d{3}/.exec(detail)?.[0];
  const code = /"code":"(\w+)"/.exec(detail)?.[1];
  return status === undefined ? `${outcome}: ${detail}` : `${status} ${code ?? ''}`;
}

/** Broken rules are printed up to this number. */
const PRINTED = 20;

function summarize({
  options: { seed, minutes, print },
  book,
  faults,
  violations,
}: {
  readonly options: ChaosOptions;
  readonly book: ClientBook;
  readonly faults: readonly PastFault[];
  readonly violations: ChaosResult['violations'];
}): void {
  const outcomes = Object.entries(Object.groupBy(book.entries, ({ outcome = '' }) => outcome));
  print(
    `${book.entries.length} requests: ${outcomes.map(([outcome, all = []]) => `${all.length} ${outcome}`).join(', ')}`,
  );
  const reasons = Object.entries(
    Object.groupBy(
      book.entries.filter((entry) => !isServed(entry)),
      reasonOf,
    ),
  );
  for (const [reason, all = []] of reasons) print(`  ${all.length} × ${reason}`);
  const outages = faults.map(({ outageMs }) => outageMs).toSorted((one, other) => one - other);
  const median = outages[Math.floor(outages.length / 2)] ?? 0;
  print(
    `${faults.length} faults; served again after the end of a fault: p50 ${seconds(median)}, max ${seconds(outages.at(-1) ?? 0)}`,
  );
  const load = (loadavg()[0] ?? 0) / availableParallelism();
  print(`the computer had ${load.toFixed(1)} processes to run for each core in the last minute`);
  if (violations.length === 0) return print('every rule was kept');
  for (const { rule, text } of violations.slice(0, PRINTED)) print(`BROKEN  ${rule}: ${text}`);
  if (violations.length > PRINTED) print(`and ${violations.length - PRINTED} more`);
  print(`Repeat the schedule with: npm run chaos -- --minutes ${minutes} --seed ${seed}`);
}
