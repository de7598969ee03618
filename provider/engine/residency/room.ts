import type { ModelState, ResidencyState } from './residency-state.ts';

/**
 * How memory is found for the next model. Models that have been in memory for as long as they took to
 * load may give way, so a machine loads for at most half of its time, however its requests alternate.
 */

/** Least and longest time in memory before a model gives way to requests, in milliseconds. */
export const MIN_RESIDENCE_MS = 2_000;
export const MAX_RESIDENCE_MS = 30_000;
/** Time that the answers of a model may take which has to give way, for estimates, in milliseconds. */
const ANSWERS_MS = 10_000;

export interface Plan {
  /** Models that accept no requests, and are unloaded after their last answer. */
  readonly givingWay: ReadonlySet<ModelState>;
  /** The model for which there is room now. */
  readonly load: ModelState | undefined;
}

const NOTHING: Plan = { givingWay: new Set(), load: undefined };

/** Only one model is loaded at a time: two would share the disk, and disturb each other's trial. */
export function planFor(state: ResidencyState, now: number): Plan {
  const { models } = state;
  if (models.some(({ phase }) => phase === 'loading')) return NOTHING;
  const [first, ...later] = claimsOf(state);
  if (first === undefined) return NOTHING;
  const free = freeBytes(state);
  if (first.bytes <= free) return { givingWay: NOTHING.givingWay, load: first };
  const leaving = sum(models.filter(({ phase }) => phase === 'leaving'));
  const victims =
    first.bytes <= free + leaving
      ? []
      : victimsFor(first, first.bytes - free - leaving, state, now);
  // The first claim keeps the free memory that it needs beside that of the models that leave.
  const reserved = victims === undefined ? free : Math.max(0, first.bytes - leaving - sum(victims));
  return {
    givingWay: new Set(victims),
    load: later.find(({ bytes }) => bytes <= free - reserved),
  };
}

/** Models that are to be loaded, the first one first. */
export function claimsOf({ models }: ResidencyState): ModelState[] {
  return models
    .filter(
      ({ phase, waiting, wanted }) =>
        phase === 'out' && (waiting.length > 0 || wanted !== undefined),
    )
    .toSorted((one, other) => rank(one) - rank(other) || claimedAt(one) - claimedAt(other));
}

const rankOfWanted = { owner: 0, router: 3, start: 4 } as const;

function rank({ waiting, wanted }: ModelState): number {
  const ofRequests = waiting.some(({ isOwners }) => isOwners) ? 1 : 2;
  return Math.min(
    waiting.length > 0 ? ofRequests : Number.POSITIVE_INFINITY,
    wanted === undefined ? Number.POSITIVE_INFINITY : rankOfWanted[wanted.by],
  );
}

const claimedAt = ({ waiting, wanted }: ModelState): number =>
  Math.min(...waiting.map(({ since }) => since), wanted?.since ?? Number.POSITIVE_INFINITY);

/**
 * Models that together free at least `bytes` for a claim; undefined if there are not enough that may
 * give way now. Idle models come first, then those that were used least recently.
 */
function victimsFor(
  claim: ModelState,
  bytes: number,
  { models }: ResidencyState,
  now: number,
): ModelState[] | undefined {
  const chosen: ModelState[] = [];
  let found = 0;
  for (const model of models
    .filter((each) => each.phase === 'in' && mayGiveWay(each, claim, now))
    .toSorted((one, other) => busy(one) - busy(other) || one.usedAt - other.usedAt)) {
    if (found >= bytes) break;
    chosen.push(model);
    found += model.bytes;
  }
  if (found < bytes) return undefined;
  // A model that was chosen early may be unnecessary beside a larger one that was chosen after it.
  for (const model of [...chosen])
    if (found - model.bytes >= bytes) {
      chosen.splice(chosen.indexOf(model), 1);
      found -= model.bytes;
    }
  return chosen;
}

function mayGiveWay(model: ModelState, claim: ModelState, now: number): boolean {
  const by = claim.wanted?.by;
  if (by === 'owner') return true;
  if (now < residenceEnd(model)) return false;
  if (claim.waiting.length > 0) return true;
  return by === 'router' && busy(model) === 0;
}

const busy = ({ running, waiting }: ModelState): number => (running + waiting.length > 0 ? 1 : 0);

/** The time from which a model in memory may give way to requests. */
export const residenceEnd = ({ since, loadMs }: ModelState): number =>
  since + Math.min(MAX_RESIDENCE_MS, Math.max(MIN_RESIDENCE_MS, loadMs));

export const freeBytes = ({ models, memoryBytes }: ResidencyState): number =>
  memoryBytes -
  sum(models.filter(({ phase }) => phase === 'loading' || phase === 'in' || phase === 'leaving'));

const sum = (models: readonly ModelState[]): number =>
  models.reduce((bytes, model) => bytes + model.bytes, 0);

/**
 * Estimated time until there is room for a model that is out of memory, in milliseconds. Routers
 * compare it with other machines; it decides nothing here.
 */
export function waitForRoomMs(state: ResidencyState, build: string, now: number): number {
  const model = state.models.find((each) => each.build === build);
  if (model === undefined || model.phase !== 'out') return 0;
  let missing = model.bytes - freeBytes(state);
  let waitMs = 0;
  for (const other of state.models
    .filter(({ phase }) => phase === 'in')
    .toSorted((one, next) => busy(one) - busy(next) || residenceEnd(one) - residenceEnd(next))) {
    if (missing <= 0) break;
    missing -= other.bytes;
    waitMs = Math.max(waitMs, residenceEnd(other) - now, busy(other) * ANSWERS_MS);
  }
  return waitMs;
}
