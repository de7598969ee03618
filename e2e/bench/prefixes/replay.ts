import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PAGE_TOKENS } from '#provider/engine/decoders/decoder.ts';
import { pageDigests } from '#provider/engine/scheduling/page-pool.ts';
import { ReplayedMachine, type ReplayedMachineOptions } from './replayed-machine.ts';
import type { ReplayedRequest } from './traffic.ts';

export interface ReplayOptions extends Omit<ReplayedMachineOptions, 'folder' | 'clock' | 'now'> {
  readonly traffic: Iterable<ReplayedRequest>;
  /** Number of requests after which the engine starts again. */
  readonly restartsAfter: number;
}

export interface ReuseFigures {
  /** Requests of which at least one page was in an earlier one of the same customer. */
  repeats: number;
  /** Those of them that used at least half of these pages. */
  reused: number;
  /** Tokens in pages that an earlier prompt of the same customer had. */
  repeatedTokens: number;
  cachedTokens: number;
}

export interface ReplayResult {
  readonly all: ReuseFigures;
  /** Requests that repeat only what was computed before the restart. */
  readonly afterRestart: ReuseFigures;
  readonly pagesRead: number;
  readonly storedBytes: number;
}

const CACHE_IDLE_MS = 5 * 60_000;

const none = (): ReuseFigures => ({ repeats: 0, reused: 0, repeatedTokens: 0, cachedTokens: 0 });

/**
 * Runs requests through the scheduler, the decoder and the store on the disk, with a clock of their
 * own. It counts how many of the pages that an earlier prompt had are not computed again.
 */
export async function replay({
  traffic,
  restartsAfter,
  ...options
}: ReplayOptions): Promise<ReplayResult> {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-replay-'));
  const began = Date.now();
  let now = 0;
  const openMachine = () =>
    ReplayedMachine.open({ ...options, folder, clock: () => now, now: () => began + now });
  const all = none();
  const afterRestart = none();
  const before = new Set<string>();
  const since = new Set<string>();
  let restarted = false;
  let machine = await openMachine();
  let pagesRead = 0;
  try {
    let count = 0;
    for (const { customer, prompt, afterMs } of traffic) {
      if (count === restartsAfter) {
        await machine.stored();
        pagesRead += machine.store.figures.pagesRead;
        await machine[Symbol.asyncDispose]();
        machine = await openMachine();
        restarted = true;
      }
      count += 1;
      now += afterMs;
      await machine.scheduler.trim(CACHE_IDLE_MS);
      const scope = `customer ${customer}`;
      const cached = await machine.prompt(prompt, scope);
      const digests = pageDigests({ prompt, scope });
      const known = (set: ReadonlySet<string>) => {
        const first = digests.findIndex((digest) => !set.has(digest));
        return first === -1 ? digests.length : first;
      };
      const [old, fresh] = [known(before), known(since)];
      add(all, Math.max(old, fresh), cached);
      if (restarted && old > fresh) add(afterRestart, old, cached);
      for (const digest of digests) (restarted ? since : before).add(digest);
    }
    await machine.stored();
    const { pagesRead: later, bytes } = machine.store.figures;
    return { all, afterRestart, pagesRead: pagesRead + later, storedBytes: bytes };
  } finally {
    await machine[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
}

function add(figures: ReuseFigures, pages: number, cachedTokens: number): void {
  if (pages === 0) return;
  const tokens = pages * PAGE_TOKENS;
  figures.repeats += 1;
  figures.repeatedTokens += tokens;
  figures.cachedTokens += Math.min(tokens, cachedTokens);
  if (cachedTokens >= tokens / 2) figures.reused += 1;
}
