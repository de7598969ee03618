import { fileURLToPath } from 'node:url';
import { createCpuBackend } from '#provider/engine/decoders/native-decoder.ts';
import { createReferenceBackend } from '#provider/engine/decoders/reference-decoder.ts';
import { openDecoderAlone } from '#provider/models/model.ts';
import { type ReplayResult, type ReuseFigures, replay } from './replay.ts';
import { trafficOf, type Workload, workloads } from './traffic.ts';

const sizes = {
  full: { requests: 400, mostTokens: 12_000, pages: 4_000 },
  smoke: { requests: 60, mostTokens: 1_200, pages: 400 },
} as const;

/** Small models with the parts of the models they stand for: pages alone, and pages with states. */
const models = [
  { name: 'all layers with keys', fixture: 'llama', states: 0 },
  { name: 'hybrid', fixture: 'qwen3-5', states: 36 },
] as const;

/** Speed of prompts of an M4 Max, in tokens per second. */
const PREFILL_TPS = 1_600;
const SEED = 20_260_926;
const LEAST_SHARE = 0.6;
const LEAST_SHARE_AFTER_RESTART = 0.5;

interface ReplayedModel {
  readonly workload: string;
  readonly model: string;
  readonly result: ReplayResult;
}

/** Replays each workload with each model, with a restart after half of the requests. */
export async function replayAll(size: keyof typeof sizes): Promise<ReplayedModel[]> {
  const { requests, mostTokens, pages } = sizes[size];
  const cpu = createCpuBackend();
  await using backend = 'reason' in cpu ? createReferenceBackend() : cpu.backend;
  const results: ReplayedModel[] = [];
  for (const [workload, table] of Object.entries(workloads))
    for (const { name, fixture, states } of models) {
      const path = fileURLToPath(
        new URL(`../../../provider/engine/fixtures/${fixture}`, import.meta.url),
      );
      const model = await openDecoderAlone(path);
      const random = randomFrom(SEED);
      const { vocabulary } = model.shape;
      const traffic = trafficOf({
        workload: scaled(table, mostTokens),
        requests,
        mostTokens,
        vocabulary,
        random,
      });
      const result = await replay({
        backend,
        model,
        pages,
        states,
        storedBytes: 2e9,
        prefillTps: PREFILL_TPS,
        traffic,
        restartsAfter: Math.floor(requests / 2),
      });
      results.push({ workload, model: name, result });
    }
  return results;
}

/** Prints the shares that were reused. Throws if one is below what the engine promises. */
export async function benchPrefixes(size: keyof typeof sizes): Promise<void> {
  console.log('Tokens and requests with a beginning that an earlier one had, which were reused:');
  for (const { workload, model, result } of await replayAll(size)) {
    const { all, afterRestart, pagesRead, storedBytes } = result;
    console.log(
      `${workload}, ${model}: ${shown(all)}; what was computed before the restart: ${shown(afterRestart)}; ${pagesRead} pages read, ${(storedBytes / 1e6).toFixed(0)} MB stored`,
    );
    if (shareOf(all) < LEAST_SHARE || shareOf(afterRestart) < LEAST_SHARE_AFTER_RESTART)
      throw new Error(`${workload}, ${model}: less was reused than promised`);
  }
}

export const shareOf = ({ reused, repeats }: ReuseFigures): number => reused / repeats;

const shown = (figures: ReuseFigures): string =>
  `${percent(figures.cachedTokens / figures.repeatedTokens)} of ${figures.repeatedTokens} tokens, ${percent(shareOf(figures))} of ${figures.repeats} requests`;

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** A smaller replay has shorter prompts in the same proportion. */
function scaled(workload: Workload, mostTokens: number): Workload {
  const factor = Math.min(1, mostTokens / sizes.full.mostTokens);
  return {
    ...workload,
    medianTokens: Math.ceil(workload.medianTokens * factor),
    tenthTokens: Math.ceil(workload.tenthTokens * factor),
  };
}

/** Numbers from 0 to 1 (mulberry32), the same in every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
