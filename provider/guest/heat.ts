import type { ThermalState } from '#bus-schemas';

/**
 * Decides how many requests a warm machine accepts at the same time:
 *
 *   full → half → quarter → closed
 *
 * A serious temperature lowers the number by one step, and again each SLOW_MS while it lasts; a
 * critical one closes the machine. The machine goes back one step after COOL_MS at a nominal
 * temperature, or WARM_MS without a serious one. Those times are longer than a computer needs to cool
 * down, so that it does not become hot again at once with the next requests.
 */
export const HEAT_STEPS = ['full', 'half', 'quarter', 'closed'] as const;
export type HeatStep = (typeof HEAT_STEPS)[number];

export interface HeatState {
  readonly step: HeatStep;
  /** Time of the last change of the step, in milliseconds. */
  readonly changedAt: number;
  /** Start of the time without a serious temperature in this step. */
  readonly warmSince: number;
  /** Start of the time with a nominal temperature in this step; undefined if it is higher now. */
  readonly coolSince: number | undefined;
}

export const SLOW_MS = 30_000;
export const COOL_MS = 60_000;
export const WARM_MS = 300_000;

export const COOL: HeatState = {
  step: 'full',
  changedAt: Number.NEGATIVE_INFINITY,
  warmSince: Number.NEGATIVE_INFINITY,
  coolSince: Number.NEGATIVE_INFINITY,
};

/** Share of its requests at the same time that a machine accepts in each step. */
export const STREAM_SHARES: Readonly<Record<HeatStep, number>> = {
  full: 1,
  half: 0.5,
  quarter: 0.25,
  closed: 0.25,
};

/** Call it every few seconds. */
export function afterHeat(before: HeatState, thermal: ThermalState, now: number): HeatState {
  switch (thermal) {
    case 'critical':
      return hot(before, 'closed', now);
    case 'serious':
      return hot(before, stepWhenSerious(before, now), now);
    case 'fair':
      return recovered({ ...before, coolSince: undefined }, now);
    case 'nominal':
      return recovered({ ...before, coolSince: before.coolSince ?? now }, now);
  }
}

function hot({ step: before, changedAt }: HeatState, step: HeatStep, now: number): HeatState {
  return {
    step,
    changedAt: step === before ? changedAt : now,
    warmSince: now,
    coolSince: undefined,
  };
}

function stepWhenSerious({ step, changedAt }: HeatState, now: number): HeatStep {
  switch (step) {
    case 'full':
      return 'half';
    case 'half':
      return now - changedAt >= SLOW_MS ? 'quarter' : 'half';
    case 'quarter':
    case 'closed':
      return step;
  }
}

function recovered(state: HeatState, now: number): HeatState {
  const { step, warmSince, coolSince = now } = state;
  const isOver = now - coolSince >= COOL_MS || now - warmSince >= WARM_MS;
  const lower = HEAT_STEPS[HEAT_STEPS.indexOf(step) - 1];
  if (!isOver || lower === undefined) return state;
  return {
    step: lower,
    changedAt: now,
    warmSince: now,
    coolSince: state.coolSince === undefined ? undefined : now,
  };
}
