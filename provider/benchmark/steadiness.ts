import type { Engine } from '../engine/engine.ts';
import type { SteadyPart } from '../engine/measured-speeds.ts';
import type { BenchmarkText } from './benchmark-text.ts';
import { median } from './measure-point.ts';
import { runRequests } from './run-requests.ts';

export interface SteadyOptions {
  readonly build: string;
  readonly text: BenchmarkText;
  readonly requests: number;
  readonly answerTokens: number;
  readonly parts: number;
  /** Length of one part, in milliseconds. */
  readonly partMs: number;
  readonly celsius: () => Promise<number | undefined>;
  readonly onPart: (part: SteadyPart) => void;
}

/** Prompt length of the requests, in tokens. */
const PROMPT = 128;
/** Share of the parts, from the end, of which the median is the speed that a machine sustains. */
const LAST_SHARE = 0.25;

/** Keeps the engine busy, and measures speed and temperature part by part. */
export async function measureSteadiness(
  engine: Engine,
  { build, text, requests, answerTokens, parts, partMs, celsius, onPart }: SteadyOptions,
): Promise<SteadyPart[]> {
  const scopes = Array.from({ length: requests }, () => undefined);
  const began = performance.now();
  const measured: SteadyPart[] = [];
  for (let part = 1; part <= parts; part += 1) {
    const partBegan = performance.now();
    let tokens = 0;
    do {
      const run = await runRequests(engine, {
        build,
        scopes,
        text: text(PROMPT, measured.length),
        answerTokens,
      });
      tokens += requests * Math.max(1, run.answerTokens);
    } while (performance.now() - began < part * partMs);
    const now = performance.now();
    const temperature = await celsius();
    const done = {
      atSeconds: Math.round((now - began) / 1_000),
      tokensPerSecond: (1_000 * tokens) / (now - partBegan),
      ...(temperature !== undefined && { celsius: temperature }),
    };
    measured.push(done);
    onPart(done);
  }
  return measured;
}

/**
 * The speed at the end of a long measurement ÷ the speed at its beginning, at most 1. A machine that
 * becomes slower when it is hot announces the speed that it sustains.
 */
export function sustainedShare(parts: readonly SteadyPart[]): number {
  const first = parts[0]?.tokensPerSecond;
  if (first === undefined) return 1;
  const last = parts.slice(-Math.max(1, Math.round(parts.length * LAST_SHARE)));
  return Math.min(1, median(last.map(({ tokensPerSecond }) => tokensPerSecond)) / first);
}
