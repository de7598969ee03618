import type { Engine } from '../engine/engine.ts';
import { MAX_DECODE_TPS, MAX_PREFILL_TPS, type MeasuredPoint } from '../engine/measured-speeds.ts';
import type { BenchmarkText } from './benchmark-text.ts';
import type { BenchmarkPoint } from './points.ts';
import { type RequestsRun, runRequests } from './run-requests.ts';

export interface PointOptions extends BenchmarkPoint {
  readonly build: string;
  readonly text: BenchmarkText;
  readonly answerTokens: number;
}

/** A point is measured this often, and its medians count. */
const ROUNDS = 3;
/** Time after which no further round begins, in milliseconds. */
const ENOUGH_MS = 20_000;
/** Number of different prompts that are tried if the answers are too short to be measured. */
const VARIANTS = 4;

/**
 * Measures one point. Each round reads new prompts with an answer of one token, and then runs the
 * same requests again with long answers: their prompts are in the cache, so the time of the second
 * run is the time of the answers. The arrival of single tokens is not used, because fast engines send
 * many of them together.
 */
export async function measurePoint(
  engine: Engine,
  { build, promptTokens, requests, text, answerTokens }: PointOptions,
): Promise<Omit<MeasuredPoint, 'memoryBytes'>> {
  const rounds: Speeds[] = [];
  const began = performance.now();
  let variant = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round > 0 && performance.now() - began > ENOUGH_MS) break;
    for (; ; variant += 1) {
      const scopes = Array.from(
        { length: requests },
        (_, i) => `benchmark ${promptTokens} ${requests} ${round} ${variant} ${i}`,
      );
      const run = { build, scopes, text: text(promptTokens, variant) };
      const read = await runRequests(engine, { ...run, answerTokens: 1 });
      const answered = await runRequests(engine, { ...run, answerTokens });
      if (answered.answerTokens < answerTokens / 2 && variant + 1 < VARIANTS) continue;
      rounds.push(speedsFrom(read, answered, requests));
      break;
    }
  }
  return {
    promptTokens: rounds[0]?.promptTokens ?? promptTokens,
    requests,
    prefillTps: median(rounds.map(({ prefillTps }) => prefillTps)),
    decodeTps: median(rounds.map(({ decodeTps }) => decodeTps)),
    allDecodeTps: median(rounds.map(({ decodeTps }) => decodeTps)) * requests,
  };
}

interface Speeds {
  readonly promptTokens: number;
  readonly prefillTps: number;
  readonly decodeTps: number;
}

function speedsFrom(read: RequestsRun, answered: RequestsRun, requests: number): Speeds {
  const { promptTokens } = read;
  const unread = requests * promptTokens - answered.cachedTokens;
  const readMs = (read.ms * unread) / (requests * promptTokens);
  // On a busy machine the estimate for the rest of the prompts can exceed the time of the whole run.
  const answerMs = answered.ms - Math.min(readMs, answered.ms / 2);
  return {
    promptTokens,
    prefillTps: Math.min(MAX_PREFILL_TPS, (1_000 * requests * promptTokens) / read.ms),
    decodeTps: Math.min(MAX_DECODE_TPS, (1_000 * Math.max(1, answered.answerTokens)) / answerMs),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
