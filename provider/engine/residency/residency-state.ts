import { claimsOf, freeBytes, planFor, residenceEnd } from './room.ts';

/**
 * Decides which models of a machine are in memory, if it has more models than memory. It is a pure
 * function of events.
 *
 *   out → loading → in → leaving → out
 *            ↘               ↘
 *              →  failed  →  out (after RETRY_MS)
 *
 * A request for a model that is out waits until the model is in memory, or until its deadline. The
 * first claim to memory is served first: models that were used least recently give way to it. A model
 * that gives way completes its answers, lets new requests wait, and is then unloaded.
 *
 * Invariants: the models that are loading, in memory or leaving never need more than `memoryBytes`.
 * A model with running answers is never unloaded. Each request is admitted, refused or withdrawn
 * once.
 */
export interface ResidencyState {
  readonly memoryBytes: number;
  /** A model without requests for this time, in milliseconds, is unloaded; 0 keeps it. */
  readonly idleMs: number;
  readonly models: readonly ModelState[];
}

type ResidencyPhase = 'out' | 'loading' | 'in' | 'leaving' | 'failed';

export interface ModelState {
  readonly build: string;
  /** Memory for its weights and its largest cache, in bytes. */
  readonly bytes: number;
  phase: ResidencyPhase;
  /** Start of the phase, in milliseconds. */
  since: number;
  /** Time of the last admission or end of a request, or of the load. */
  usedAt: number;
  /** Duration of the last load, in milliseconds; 0 before the first. */
  loadMs: number;
  /** Number of admitted requests that have not ended. */
  running: number;
  waiting: readonly WaitingRequest[];
  unloadsWhenIdle: boolean;
  /** Time at which it failed in memory, until it has left; it is not loaded again at once. */
  failedAt: number | undefined;
  wanted: Wanted | undefined;
}

interface WaitingRequest {
  readonly id: number;
  readonly since: number;
  /** Time at which it is refused; infinite without a deadline. */
  readonly deadline: number;
  /** A request of the machine's owner, which goes before those of the network. */
  readonly isOwners: boolean;
}

/** A model that is to be loaded although no request waits for it. */
interface Wanted {
  /**
   * `owner`: other models give way at once. `router`: only idle models give way. `start`: no model
   * gives way.
   */
  readonly by: 'owner' | 'router' | 'start';
  readonly since: number;
}

export type ResidencyEvent =
  | { readonly t: 'requested'; readonly build: string; readonly request: WaitingRequest }
  /** A request that waits was cancelled. */
  | { readonly t: 'withdrawn'; readonly build: string; readonly id: number }
  /** An admitted request ended. */
  | { readonly t: 'ended'; readonly build: string }
  | { readonly t: 'loaded' | 'unloaded'; readonly build: string }
  /** The load failed, or the model failed later and all its answers have ended. */
  | { readonly t: 'failed'; readonly build: string }
  | { readonly t: 'wanted'; readonly build: string; readonly by: Wanted['by'] }
  /** The model is to be unloaded after its last answer. */
  | { readonly t: 'unwanted'; readonly build: string }
  | { readonly t: 'time' };

export type ResidencyCommand =
  | { readonly t: 'load' | 'unload'; readonly build: string }
  | { readonly t: 'admit'; readonly id: number }
  | { readonly t: 'refuse'; readonly id: number; readonly because: 'deadline' | 'failed' };

/** Time between a failure of a model and the next attempt to load it, in milliseconds. */
export const RETRY_MS = 10_000;
/** Time after which an order of the router that found no room is dropped, in milliseconds. */
const ORDER_MS = 30_000;

export function begin(
  models: readonly Pick<ModelState, 'build' | 'bytes'>[],
  limits: Pick<ResidencyState, 'memoryBytes' | 'idleMs'>,
): ResidencyState {
  return {
    ...limits,
    models: models.map((model) => ({
      ...model,
      phase: 'out',
      since: 0,
      usedAt: 0,
      loadMs: 0,
      running: 0,
      waiting: [],
      unloadsWhenIdle: false,
      failedAt: undefined,
      wanted: undefined,
    })),
  };
}

/** Adds a model, which is out. */
export const withModel = (
  state: ResidencyState,
  model: Pick<ModelState, 'build' | 'bytes'>,
): ResidencyState => ({
  ...state,
  models: [...state.models, ...begin([model], state).models],
});

/** The commands have to be carried out in their order. `now` is in milliseconds and never falls. */
export function residencyAfter(
  before: ResidencyState,
  event: ResidencyEvent,
  now: number,
): { state: ResidencyState; commands: ResidencyCommand[] } {
  const state = { ...before, models: before.models.map((model) => ({ ...model })) };
  const commands: ResidencyCommand[] = [];
  if (event.t !== 'time') {
    const model = state.models.find(({ build }) => build === event.build);
    if (model !== undefined) {
      const wasIn = model.phase === 'in';
      apply(model, event, now);
      if (event.t === 'failed' && wasIn) commands.push({ t: 'unload', build: event.build });
    }
  }
  for (const model of state.models) lapse(model, commands, now);
  settle(state, commands, now);
  return { state, commands };
}

function apply(
  model: ModelState,
  event: Exclude<ResidencyEvent, { t: 'time' }>,
  now: number,
): void {
  switch (event.t) {
    case 'requested':
      model.waiting = [...model.waiting, event.request];
      return;
    case 'withdrawn':
      model.waiting = model.waiting.filter(({ id }) => id !== event.id);
      return;
    case 'ended':
      model.running -= 1;
      model.usedAt = now;
      return;
    case 'loaded':
      model.loadMs = now - model.since;
      model.usedAt = now;
      model.wanted = undefined;
      return enter(model, 'in', now);
    case 'unloaded':
      model.unloadsWhenIdle = false;
      return model.failedAt === undefined ? enter(model, 'out', now) : fail(model, model.failedAt);
    case 'failed':
      if (model.phase === 'loading') return fail(model, now);
      if (model.phase !== 'in') return;
      model.failedAt = now;
      return enter(model, 'leaving', now);
    case 'wanted':
      return want(model, event.by, now);
    case 'unwanted':
      model.wanted = undefined;
      model.unloadsWhenIdle = model.phase === 'in' || model.phase === 'loading';
  }
}

function want(model: ModelState, by: Wanted['by'], now: number): void {
  if (model.phase !== 'in' && model.phase !== 'loading') model.wanted = { by, since: now };
  else if (by === 'owner') {
    model.unloadsWhenIdle = false;
    // The model may be giving way at present; its time in memory begins again.
    if (model.phase === 'in') model.since = now;
  }
}

function fail(model: ModelState, at: number): void {
  model.unloadsWhenIdle = false;
  model.failedAt = undefined;
  model.wanted = undefined;
  enter(model, 'failed', at);
}

function enter(model: ModelState, phase: ResidencyPhase, now: number): void {
  model.phase = phase;
  model.since = now;
}

/** Ends what has waited too long. */
function lapse(model: ModelState, commands: ResidencyCommand[], now: number): void {
  if (model.phase === 'failed' && now - model.since >= RETRY_MS) enter(model, 'out', now);
  const refused = model.waiting.filter(
    ({ deadline }) => model.phase === 'failed' || deadline < now,
  );
  for (const { id } of refused)
    commands.push({
      t: 'refuse',
      id,
      because: model.phase === 'failed' ? 'failed' : 'deadline',
    });
  if (refused.length > 0) model.waiting = model.waiting.filter((each) => !refused.includes(each));
  const { wanted } = model;
  if (wanted?.by === 'router' && now - wanted.since >= ORDER_MS) model.wanted = undefined;
}

/** Unloads, admits and loads until nothing more can be done at this time. */
function settle(state: ResidencyState, commands: ResidencyCommand[], now: number): void {
  for (;;) {
    const { givingWay, load } = planFor(state, now);
    for (const model of state.models) {
      if (model.phase !== 'in') continue;
      if (!givingWay.has(model)) admitAll(model, commands, now);
      if (model.running === 0 && (givingWay.has(model) || isOver(model, state.idleMs, now))) {
        enter(model, 'leaving', now);
        commands.push({ t: 'unload', build: model.build });
      }
    }
    if (load === undefined) break;
    enter(load, 'loading', now);
    commands.push({ t: 'load', build: load.build });
  }
  for (const model of state.models)
    if (model.wanted?.by === 'start' && model.bytes > freeBytes(state)) model.wanted = undefined;
}

function admitAll(model: ModelState, commands: ResidencyCommand[], now: number): void {
  if (model.waiting.length === 0) return;
  for (const { id } of model.waiting) commands.push({ t: 'admit', id });
  model.running += model.waiting.length;
  model.waiting = [];
  model.usedAt = now;
}

const isOver = (model: ModelState, idleMs: number, now: number): boolean =>
  model.unloadsWhenIdle || (idleMs > 0 && now - model.usedAt >= idleMs);

/** The time at which `residencyAfter` must be called next if nothing else happens; infinite if never. */
export function nextTime(state: ResidencyState, now: number): number {
  const claims = claimsOf(state);
  const times = state.models.flatMap((model) => [
    // A request is late only after its deadline.
    ...model.waiting.map(({ deadline }) => deadline + 1),
    ...(model.phase === 'failed' ? [model.since + RETRY_MS] : []),
    ...(model.wanted?.by === 'router' ? [model.wanted.since + ORDER_MS] : []),
    ...(model.phase === 'in' && claims.length > 0 ? [residenceEnd(model)] : []),
    ...(model.phase === 'in' && model.running === 0 && state.idleMs > 0
      ? [model.usedAt + state.idleMs]
      : []),
  ]);
  return Math.min(Number.POSITIVE_INFINITY, ...times.filter((time) => time > now));
}
