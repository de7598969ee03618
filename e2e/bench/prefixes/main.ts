import { fileURLToPath } from 'node:url';
import type { Backend } from '#provider/engine/decoders/decoder.ts';
import { createCpuBackend } from '#provider/engine/decoders/native-decoder.ts';
import { createReferenceBackend } from '#provider/engine/decoders/reference-decoder.ts';
import { openDecoderAlone } from '#provider/models/model.ts';
import { writeMlxFolder } from '../engine/mlx-folder.ts';
import { makeRandomModel, type Size } from '../engine/random-model.ts';
import { createHeadedModel } from '../headed-model.ts';
import { type Spread, show, spread } from '../statistics.ts';
import { writtenModel } from '../written-model.ts';
import { measureRepeatedPrompt, type RepeatedPrompt } from './repeated-prompt.ts';
import { type ReplayResult, type ReuseFigures, replay } from './replay.ts';
import { trafficOf, type Workload, workloads } from './traffic.ts';

/** `repeatedTokens` is the length of the prompt that is sent again, `rounds` how often that is measured. */
const sizes = {
  full: {
    requests: 400,
    mostTokens: 12_000,
    pages: 4_000,
    repeatedTokens: 13_000,
    rounds: 3,
  },
  smoke: { requests: 60, mostTokens: 1_200, pages: 400, repeatedTokens: 12_000, rounds: 1 },
} as const;

/** 17 million weights, with as many heads for one key as large models have. */
const LARGER: Size = {
  name: 'larger',
  vocabulary: 4_096,
  hidden: 512,
  width: 2_048,
  layers: 4,
  heads: 8,
  kvHeads: 1,
  tied: true,
};

/**
 * Small models with the parts of the models they stand for: pages alone, and pages with states. Those of
 * the fixtures are so small that reading a page from disk takes nearly as long as computing it, so a
 * prompt is timed with larger ones, of random weights.
 */
const models = [
  {
    name: 'all layers with keys',
    fixture: 'llama',
    states: 0,
    openLarger: () => writtenModel((folder) => writeMlxFolder(makeRandomModel(LARGER), folder)),
  },
  { name: 'hybrid', fixture: 'qwen3-5', states: 36, openLarger: () => createHeadedModel(true) },
] as const;

/** Speed of prompts of an M4 Max, in tokens per second. */
const PREFILL_TPS = 1_600;
const SEED = 20_260_926;
const LEAST_SHARE = 0.6;
const LEAST_SHARE_AFTER_RESTART = 0.5;
/** Most time until the first content of a repeated prompt, as a share of the time of computing it. */
export const MOST_REPEATED_SHARE = 0.05;

interface ReplayedModel {
  readonly workload: string;
  readonly model: string;
  readonly result: ReplayResult;
}

/** Replays each workload with each model, with a restart after half of the requests. */
export async function replayAll(size: keyof typeof sizes): Promise<ReplayedModel[]> {
  const { requests, mostTokens, pages } = sizes[size];
  await using backend = anyBackend();
  const results: ReplayedModel[] = [];
  for (const [workload, table] of Object.entries(workloads))
    for (const { name, fixture, states } of models) {
      const model = await openDecoderAlone(folderOf(fixture));
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

interface RepeatedModel {
  readonly model: string;
  readonly rounds: readonly RepeatedPrompt[];
}

/** Measures with each model how soon the first content of a repeated prompt comes. */
export async function repeatAll(size: keyof typeof sizes): Promise<RepeatedModel[]> {
  const { repeatedTokens, rounds } = sizes[size];
  await using backend = anyBackend();
  const random = randomFrom(SEED);
  const results: RepeatedModel[] = [];
  for (const { name, states, openLarger } of models) {
    await using opened = await openLarger();
    const { model } = opened;
    const measured: RepeatedPrompt[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const prompt = Array.from({ length: repeatedTokens }, () =>
        Math.floor(random() * model.shape.vocabulary),
      );
      measured.push(await measureRepeatedPrompt({ backend, model, states, prompt }));
    }
    results.push({ model: name, rounds: measured });
  }
  return results;
}

function anyBackend(): Backend {
  const cpu = createCpuBackend();
  return 'reason' in cpu ? createReferenceBackend() : cpu.backend;
}

const folderOf = (fixture: string): string =>
  fileURLToPath(new URL(`../../../provider/engine/fixtures/${fixture}`, import.meta.url));

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
  console.log(
    `Time until the first content of a repeated prompt of ${sizes[size].repeatedTokens} tokens, in percent of the time of computing it, by clock and by processor time:`,
  );
  for (const { model, rounds } of await repeatAll(size))
    for (const kind of ['fromMemory', 'fromDisk'] as const) {
      const [byClock, byProcessor] = (['ms', 'processorMs'] as const).map((unit) =>
        spread(rounds.map((round) => round[kind][unit] / round.cold[unit])),
      ) as [Spread, Spread];
      const [clock, processor] = [byClock, byProcessor].map((shares) => show(inPercent(shares)));
      console.log(
        `${model}, ${kind === 'fromDisk' ? 'from the disk' : 'from memory'}: ${clock}, ${processor}`,
      );
      if (byClock.median > MOST_REPEATED_SHARE)
        throw new Error(`${model}: a repeated prompt takes longer than promised`);
    }
}

const inPercent = ({ median, min, max }: Spread): Spread => ({
  median: 100 * median,
  min: 100 * min,
  max: 100 * max,
});

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
