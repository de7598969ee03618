/**
 * Decides how a machine makes room when its memory is short. The steps follow one another in this
 * order, and each includes those before it:
 *
 *   none → caches → refuse → unload → end
 *
 * Under pressure the step rises by one after a pause, so that the effect of the step before can be
 * measured. It falls by one after each CALM_MS without pressure. If the machine closes again within
 * RELAPSE_MS, that time doubles: the model that it loads after it has opened may itself be what the
 * computer has no room for.
 */
export const RELIEF_STEPS = [
  'none',
  /** Caches of conversations are emptied; requests are still accepted. */
  'caches',
  /** No new requests are accepted. */
  'refuse',
  /** Models without running answers are unloaded, one at a time. */
  'unload',
  /** The answers of a model are ended, and it is unloaded. */
  'end',
] as const;
export type ReliefStep = (typeof RELIEF_STEPS)[number];

/** Pressure on the memory. Only `critical` pressure ends running answers. */
export const PRESSURE_LEVELS = ['normal', 'high', 'critical'] as const;
export type PressureLevel = (typeof PRESSURE_LEVELS)[number];

export interface ReliefState {
  readonly step: ReliefStep;
  /** Time of the last order, in milliseconds. */
  readonly actedAt: number;
  /** Time of the last pressure or step down, from which the next step down is counted. */
  readonly calmSince: number;
  /** Time without pressure before the next step down, in milliseconds. */
  readonly calmMs: number;
  /** Time at which the machine last stopped to accept requests. */
  readonly refusedAt: number;
  /** Time at which each model in memory was last seen with a request. */
  readonly usedAt: Readonly<Record<string, number>>;
}

export interface ModelUse {
  readonly build: string;
  readonly isInMemory: boolean;
  /** Number of requests that run or wait. */
  readonly requests: number;
}

export type ReliefOrder =
  | { readonly t: 'empty_caches' }
  | { readonly t: 'unload' | 'end'; readonly build: string };

/** Pause between two steps, or two orders of the last steps, in milliseconds. */
const PAUSE_MS = { high: 10_000, critical: 2_000 } as const;
/** Least and longest time without pressure before each step down, in milliseconds. */
export const CALM_MS = 15_000;
export const MAX_CALM_MS = 120_000;
const RELAPSE_MS = 600_000;

export const WITHOUT_PRESSURE: ReliefState = {
  step: 'none',
  actedAt: Number.NEGATIVE_INFINITY,
  calmSince: Number.NEGATIVE_INFINITY,
  calmMs: CALM_MS,
  refusedAt: Number.NEGATIVE_INFINITY,
  usedAt: {},
};

interface Observed {
  readonly level: PressureLevel;
  readonly models: readonly ModelUse[];
}

/** Call it every few seconds. The orders have to be carried out in their order. */
export function relieve(
  before: ReliefState,
  { level, models }: Observed,
  now: number,
): { state: ReliefState; orders: ReliefOrder[] } {
  const usedAt = Object.fromEntries(
    models
      .filter(({ isInMemory }) => isInMemory)
      .map(({ build, requests }) => [build, requests > 0 ? now : (before.usedAt[build] ?? now)]),
  );
  if (level === 'normal') return { state: { ...calmer(before, now), usedAt }, orders: [] };
  const pressed = { ...before, usedAt, calmSince: now };
  if (now - before.actedAt < PAUSE_MS[level]) return { state: pressed, orders: [] };
  const step = stepAfter(before.step, level);
  return {
    state: { ...pressed, step, actedAt: now, ...(step === 'refuse' && refusal(before, now)) },
    orders: [{ t: 'empty_caches' }, ...modelOrders(step, { level, models }, usedAt)],
  };
}

/** Unloads the idle model that was used least recently; ends the model with the fewest requests. */
function modelOrders(
  step: ReliefStep,
  { level, models }: Observed,
  usedAt: ReliefState['usedAt'],
): ReliefOrder[] {
  if (step !== 'unload' && step !== 'end') return [];
  const inMemory = models.filter(({ isInMemory }) => isInMemory);
  const [idle] = inMemory
    .filter(({ requests }) => requests === 0)
    .toSorted((one, other) => (usedAt[one.build] ?? 0) - (usedAt[other.build] ?? 0));
  if (idle !== undefined) return [{ t: 'unload', build: idle.build }];
  // After the last step the pressure may have fallen; `high` pressure ends no more answers.
  if (step !== 'end' || level !== 'critical') return [];
  const [busy] = inMemory.toSorted((one, other) => one.requests - other.requests);
  return busy === undefined ? [] : [{ t: 'end', build: busy.build }];
}

function refusal(
  { calmMs, refusedAt }: ReliefState,
  now: number,
): Pick<ReliefState, 'calmMs' | 'refusedAt'> {
  const isRelapse = now - refusedAt < RELAPSE_MS;
  return { refusedAt: now, calmMs: isRelapse ? Math.min(2 * calmMs, MAX_CALM_MS) : CALM_MS };
}

function calmer(before: ReliefState, now: number): ReliefState {
  if (before.step === 'none' || now - before.calmSince < before.calmMs) return before;
  return { ...before, step: neighbour(before.step, -1), calmSince: now };
}

function stepAfter(step: ReliefStep, level: Exclude<PressureLevel, 'normal'>): ReliefStep {
  if (step === 'end' || (step === 'unload' && level !== 'critical')) return step;
  return neighbour(step, 1);
}

const neighbour = (step: ReliefStep, by: 1 | -1): ReliefStep =>
  RELIEF_STEPS[RELIEF_STEPS.indexOf(step) + by] ?? step;
