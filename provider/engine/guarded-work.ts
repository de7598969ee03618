import type { Speeds } from './scheduling/speeds.ts';

/** Work of an engine that can hang. */
export interface GuardedWork {
  readonly kind: 'load' | 'step' | 'trim' | 'copy' | 'image';
  /** Longest time of the work, or of each of its parts if it reports progress, in milliseconds. */
  readonly limitMs: number;
}

/**
 * Runs work of an engine while its time is watched. Work of many parts calls `progressed` after each
 * of them: for its whole time no limit is known before the speed of the machine was measured.
 */
export type Guard = <T>(
  work: GuardedWork,
  run: (progressed: () => void) => Promise<T>,
) => Promise<T>;

/** For an engine that runs in the process of its caller, which could not end it alone. */
export const unguarded: Guard = (_work, run) => run(() => {});

/**
 * Shortest limit of a step, in milliseconds. A GPU may compile a kernel in the middle of an answer,
 * and other programs may use the whole machine for some seconds.
 */
const STEP_FLOOR_MS = 15_000;
/** Limit of a step ÷ its time at the measured speed. Long contexts are slower than short ones. */
const STEP_FACTOR = 10;
/** Longest limit of a step, in milliseconds, however slow the machine was measured. */
const STEP_CEILING_MS = 600_000;
/** Time for the trial of a model, in which kernels are compiled, in milliseconds. */
const TRIAL_MS = 120_000;
/** Slowest disk for which a load does not count as hung, in bytes per millisecond (10 MB/s). */
const SLOWEST_DISK = 10_000;

/** The longest time of one step that answers some sequences and reads `promptTokens` of prompts. */
export function stepLimitMs({ prefillTps, decodeTps }: Speeds, promptTokens: number): number {
  const promptMs = promptTokens === 0 ? 0 : (1_000 * promptTokens) / prefillTps;
  const expectedMs = 1_000 / decodeTps + promptMs;
  return Math.min(STEP_CEILING_MS, Math.max(STEP_FLOOR_MS, STEP_FACTOR * expectedMs));
}

/**
 * The longest time in which a model is read from the disk and tried out, or in which a decoder that
 * reports its progress does one part of it: on a busy computer, a driver in software compiles many
 * kernels for minutes.
 */
export const loadLimitMs = (weightBytes: number): number => TRIAL_MS + weightBytes / SLOWEST_DISK;

/**
 * The longest time in which a vision tower computes one image. Towers run on the processor, perhaps of
 * an old computer, and several images wait for one another.
 */
export const IMAGE_LIMIT_MS = STEP_CEILING_MS;

/** The longest time in which the decoder copies a few pages. */
export const COPY_LIMIT_MS = STEP_FLOOR_MS;

/** The longest time in which the decoder gives memory back. */
export const TRIM_LIMIT_MS = STEP_FLOOR_MS;
