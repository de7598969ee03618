import {
  type Evidence,
  isSame,
  type Judgement,
  type MachinePause,
  type Standing,
  type TrustFault,
  type TrustLevel,
} from '#bus-schemas';

/**
 * The standing of one machine, as a function of (state, event, now).
 *
 *   pending ──shown──→ verified ──3 challenges missed──→ lapsed ──asks, reconnects──→ challenged
 *      ↑   ←──barred──    │
 *   pardoned              └──caught──→ untrusted, until an operator pardons the machine
 *
 * Invariants: a nonce is accepted once, within `ANSWER_MS` of its challenge. Only a machine that is
 * `verified`, with a `freshUntil` in the future, may be offered work. Only a pardon ends
 * `untrusted`. A machine that was pardoned is on probation.
 */
export interface TrustState {
  readonly standing: Standing;
  readonly level: TrustLevel;
  /**
   * The machine has passed canaries, or the operator enrolled it. Until then it is on probation.
   */
  readonly proven: boolean;
  /** Why the machine gets no jobs although it may be verified. */
  readonly pauses: readonly MachinePause[];
  readonly fault: TrustFault | undefined;
  /**
   * The evidence of the last verification. Its keys stay known when the machine is no longer
   * verified.
   */
  readonly evidence: Evidence | undefined;
  readonly freshUntil: number;
  readonly misses: number;
  /** The nonce of a challenge that is not answered yet. */
  readonly nonce: Uint8Array | undefined;
  readonly nonceAt: number;
  /** The time of the next scheduled event `due`; undefined if none is scheduled. */
  readonly wakeAt: number | undefined;
}

/**
 * The result of examining a machine's evidence. `caught` means that the machine lied; `barred`
 * means a fault that the machine or the operator can correct.
 */
export type Finding =
  | { readonly is: 'shown'; readonly level: Exclude<TrustLevel, 'none'> }
  | { readonly is: 'barred'; readonly fault: TrustFault }
  | { readonly is: 'caught'; readonly fault: TrustFault };

export type TrustEvent =
  | { readonly type: 'asked'; readonly sealingKey: Uint8Array }
  | { readonly type: 'connected' }
  | { readonly type: 'due' }
  | { readonly type: 'answered'; readonly evidence: Evidence; readonly finding: Finding }
  /** Stored evidence was judged again, because the rules or the active code have changed. */
  | { readonly type: 'reviewed'; readonly finding: Finding }
  /** The machine's answers or bills were checked and are wrong. */
  | { readonly type: 'accused'; readonly fault: 'wrong_model' | 'overbilled' }
  /** The machine's answers to canaries were checked and match the model. */
  | { readonly type: 'proved' }
  /** Apple has vouched for the machine since its last evidence, so it may reach a higher level. */
  | { readonly type: 'vouched' }
  | { readonly type: 'pardoned' }
  /** An operator has paused the machine or its owner, or has ended this. */
  | { readonly type: 'paused'; readonly pause: MachinePause; readonly isOn: boolean };

export interface TrustStep {
  readonly state: TrustState;
  readonly challenge: boolean;
  /** Send the judgement to the machine, and publish the verdict. */
  readonly publish: boolean;
}

const CHALLENGE_EVERY_MS = 5 * 60_000;
/**
 * Share of the interval that is random, so that machines that were verified together are not
 * challenged together.
 */
const JITTER = 0.1;
const ANSWER_MS = 30_000;
const RETRY_MS = 60_000;
const STRIKES = 3;
/** Time for three missed challenges and one minute, in milliseconds. */
const FRESH_MS = 16 * 60_000;

export const NEW_MACHINE: TrustState = {
  standing: 'pending',
  level: 'none',
  proven: false,
  pauses: [],
  fault: undefined,
  evidence: undefined,
  freshUntil: 0,
  misses: 0,
  nonce: undefined,
  nonceAt: 0,
  wakeAt: undefined,
};

export interface Randomness {
  readonly nonce: () => Uint8Array;
  readonly random: () => number;
}

export function trustStep(
  state: TrustState,
  event: TrustEvent,
  now: number,
  chances: Randomness,
): TrustStep {
  switch (event.type) {
    case 'asked':
      if (state.standing === 'untrusted') return { state, challenge: false, publish: true };
      if (isVerified(state, now) && isEqual(state.evidence?.sealingKey, event.sealingKey))
        return { state, challenge: false, publish: true };
      return challenged(state, now, chances);
    case 'connected':
      return state.standing === 'untrusted' || isVerified(state, now)
        ? stay(state)
        : challenged(state, now, chances);
    case 'due':
      return due(state, now, chances);
    case 'answered':
      return answered({ ...state, nonce: undefined, misses: 0 }, event, now, chances);
    case 'reviewed':
      return reviewed(state, event.finding);
    case 'accused':
      return state.standing === 'untrusted'
        ? stay(state)
        : refused({ ...state, proven: false }, { is: 'caught', fault: event.fault });
    case 'proved':
      // A right answer does not cancel an accusation.
      return state.proven || state.standing === 'untrusted'
        ? stay(state)
        : { state: { ...state, proven: true }, challenge: false, publish: true };
    case 'vouched':
      return isVerified(state, now) ? challenged(state, now, chances) : stay(state);
    case 'pardoned':
      return {
        state: { ...NEW_MACHINE, pauses: state.pauses, wakeAt: now },
        challenge: false,
        publish: true,
      };
    case 'paused':
      return paused(state, event);
  }
}

const isVerified = (
  { standing, freshUntil }: Pick<TrustState, 'standing' | 'freshUntil'>,
  now: number,
): boolean => standing === 'verified' && now < freshUntil;

/** Whether this answers the open challenge. */
export const isAwaited = (
  { nonce, nonceAt }: TrustState,
  answer: Uint8Array,
  now: number,
): boolean => nonce !== undefined && isEqual(nonce, answer) && now - nonceAt <= ANSWER_MS;

export function judgementOf({ standing, level, fault, evidence }: TrustState): Judgement {
  return {
    standing,
    level,
    ...(fault && { fault }),
    ...(evidence && { sealingKey: evidence.sealingKey }),
  };
}

/**
 * Sends the same nonce again while it can be answered, because the challenge may have been lost.
 */
function challenged(state: TrustState, now: number, { nonce }: Randomness): TrustStep {
  if (state.nonce !== undefined && now - state.nonceAt < ANSWER_MS / 2)
    return { state, challenge: true, publish: false };
  return {
    state: { ...state, nonce: nonce(), nonceAt: now, wakeAt: now + ANSWER_MS },
    challenge: true,
    publish: false,
  };
}

function due(state: TrustState, now: number, chances: Randomness): TrustStep {
  if (state.standing === 'untrusted') return stay({ ...state, wakeAt: undefined });
  if (state.nonce === undefined) return challenged(state, now, chances);
  const missed: TrustState = {
    ...state,
    nonce: undefined,
    misses: state.misses + 1,
    wakeAt: now + RETRY_MS,
  };
  if (missed.misses < STRIKES) return stay(missed);
  const lapsed: TrustState = {
    ...missed,
    misses: 0,
    standing: 'lapsed',
    level: 'none',
    fault: 'no_answer',
    freshUntil: 0,
    wakeAt: undefined,
  };
  return { state: lapsed, challenge: false, publish: true };
}

function answered(
  state: TrustState,
  { evidence, finding }: Extract<TrustEvent, { type: 'answered' }>,
  now: number,
  { random }: Randomness,
): TrustStep {
  if (state.standing === 'untrusted') return { state, challenge: false, publish: true };
  const wakeAt = now + Math.round(CHALLENGE_EVERY_MS * (1 - JITTER + 2 * JITTER * random()));
  if (finding.is !== 'shown') return refused({ ...state, wakeAt }, finding);
  const verified: TrustState = {
    ...state,
    evidence,
    standing: 'verified',
    level: finding.level,
    fault: undefined,
    freshUntil: now + FRESH_MS,
    wakeAt,
  };
  return { state: verified, challenge: false, publish: true };
}

/** A machine that is not verified requests verification again and again, so it needs no review. */
function reviewed(state: TrustState, finding: Finding): TrustStep {
  return state.standing === 'verified' && finding.is !== 'shown'
    ? refused(state, finding)
    : stay(state);
}

function refused(state: TrustState, { is, fault }: Exclude<Finding, { is: 'shown' }>): TrustStep {
  const caught = is === 'caught';
  const refusal: TrustState = {
    ...state,
    standing: caught ? 'untrusted' : 'pending',
    level: 'none',
    fault,
    freshUntil: 0,
  };
  return {
    state: { ...refusal, wakeAt: caught ? undefined : state.wakeAt },
    challenge: false,
    publish: true,
  };
}

function paused(
  state: TrustState,
  { pause, isOn }: Extract<TrustEvent, { type: 'paused' }>,
): TrustStep {
  if (state.pauses.includes(pause) === isOn) return stay(state);
  const others = state.pauses.filter((other) => other !== pause);
  return {
    state: { ...state, pauses: isOn ? [...others, pause] : others },
    challenge: false,
    publish: true,
  };
}

const stay = (state: TrustState): TrustStep => ({ state, challenge: false, publish: false });

/**
 * A comparison in variable time is safe here: a nonce is worthless after its answer, and keys are
 * public.
 */
const isEqual = (one: Uint8Array | undefined, other: Uint8Array): boolean =>
  one !== undefined && isSame(one, other);
