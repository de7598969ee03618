import { hex } from '#bus-schemas';
import type { Engine } from '../engine/engine.ts';
import type { MeasuredPoint, Measurement, SteadyPart } from '../engine/measured-speeds.ts';
import { benchmarkTextFor } from './benchmark-text.ts';
import { measurePoint } from './measure-point.ts';
import { type BenchmarkPoint, benchmarkPoints, usualOf } from './points.ts';
import { measureSteadiness, sustainedShare } from './steadiness.ts';

export interface BenchmarkOptions {
  readonly build: string;
  readonly version: string;
  /** Length of each answer, in tokens. */
  readonly answerTokens?: number;
  /** The long measurement after the points; undefined for none. */
  readonly steady?: { readonly parts: number; readonly partMs: number } | undefined;
  readonly memoryBytes: () => Promise<number | undefined>;
  readonly celsius: () => Promise<number | undefined>;
  readonly now: () => number;
  readonly onPoint?: (point: MeasuredPoint) => void;
  readonly onLeftOut?: (point: BenchmarkPoint, expectedSeconds: number) => void;
  readonly onPart?: (part: SteadyPart) => void;
}

const ANSWER_TOKENS = 64;
/** A point whose prompts would take longer than this time is left out, in seconds. */
const MAX_PROMPT_SECONDS = 60;

/**
 * Measures the speeds of a loaded model by the requests that callers send. Throws if the engine does
 * not have the model in memory or fails a request.
 */
export async function benchmarkModel(
  engine: Engine,
  options: BenchmarkOptions,
): Promise<Measurement> {
  const { build, version, answerTokens = ANSWER_TOKENS, memoryBytes, steady } = options;
  const slot = engine.slots().find((one) => one.build === build);
  if (slot?.state !== 'resident') throw new Error(`${build} is not in the memory of the engine`);
  const text = await benchmarkTextFor(engine, build);
  const points: MeasuredPoint[] = [];
  for (const point of benchmarkPoints({ ...slot, answerTokens })) {
    const { prefillTps = Number.POSITIVE_INFINITY } = points.at(-1) ?? {};
    const expectedSeconds = (point.promptTokens * point.requests) / prefillTps;
    if (expectedSeconds > MAX_PROMPT_SECONDS) {
      options.onLeftOut?.(point, expectedSeconds);
      continue;
    }
    const measured = await measurePoint(engine, { ...point, build, text, answerTokens });
    const bytes = await memoryBytes();
    points.push({ ...measured, ...(bytes !== undefined && { memoryBytes: bytes }) });
    options.onPoint?.(points.at(-1) as MeasuredPoint);
  }
  const parts =
    steady === undefined
      ? []
      : await measureSteadiness(engine, {
          ...steady,
          build,
          text,
          answerTokens,
          requests: Math.max(...points.map(({ requests }) => requests)),
          celsius: options.celsius,
          onPart: (part) => options.onPart?.(part),
        });
  const digest = engine.weights?.().find((one) => one.build === build)?.digest;
  if (digest === undefined) throw new Error(`the engine states no digest of ${build}`);
  return {
    build,
    digest: hex(digest),
    engine: engine.name,
    version,
    at: options.now(),
    announced: announcedFrom(points, sustainedShare(parts)),
    points,
    steady: parts,
  };
}

/** The speeds of a usual request that runs alone, as far as the machine sustains them. */
function announcedFrom(points: readonly MeasuredPoint[], share: number): Measurement['announced'] {
  const alone = points.filter(({ requests }) => requests === 1);
  const lengths = alone.map(({ promptTokens }) => promptTokens);
  const usual = alone[lengths.indexOf(usualOf(lengths))];
  if (usual === undefined) throw new Error('no prompt could be measured in time');
  return { prefillTps: usual.prefillTps * share, decodeTps: usual.decodeTps * share };
}
