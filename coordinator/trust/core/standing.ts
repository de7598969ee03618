import {
  type Evidence,
  isSame,
  type Judgement,
  type Standing,
  type TrustFault,
  type TrustLevel,
} from '#bus-schemas';

/**
 * Where one machine stands, as a function of (state, event, now).
 *
 *   pending ──shown──→ verified ──three times silent──→ lapsed ──asks, comes back──→ challenged
 *   again
 *      ↑   ←──barred──    │
 *   pardoned              └──caught──→ untrusted: until an operator pardons it, whatever it says
 *
 * Invariants: a nonce is answered once, within ANSWER_MS of the challenge; only `verified` with a
 * time in `freshUntil` that has not
 * passed may be offered work; nothing but a pardon leaves `untrusted`; a machine that was pardoned
 * is on probation.
 */
export interface TrustState {
  readonly standing: Standing;
  readonly level: TrustLevel;
  /**
   * Its answers were checked, or the operator enrolled it. Without it the machine is on probation.
   */
  readonly proven: boolean;
  readonly fault: TrustFault | undefined;
  /** What it was verified with last; its keys stay known when it is not verified any more. */
  readonly evidence: Evidence | undefined;
  readonly freshUntil: number;
  readonly misses: number;
  /** A challenge that is not answered yet. */
  readonly nonce: Uint8Array | undefined;
  readonly nonceAt: number;
  /** When something has to happen at the latest; never, for a machine that is not there. */
  readonly wakeAt: number | undefined;
}

/**
 * What the evidence of a machine comes to. `caught` is a lie; `barred` may be put right by the
 * machine or by us.
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
  /** What was good enough may not be any more: what it showed last was looked at again. */
  | { readonly type: 'reviewed'; readonly finding: Finding }
  /** What it served or billed was checked, and is wrong. */
  | { readonly type: 'accused'; readonly fault: 'wrong_model' | 'overbilled' }
  /** Its answers to canaries were checked and match the model. */
  | { readonly type: 'proved' }
  /** Somebody speaks for it who did not before: it may show itself as more than it did. */
  | { readonly type: 'vouched' }
  | { readonly type: 'pardoned' };

export interface TrustStep {
  readonly state: TrustState;
  readonly challenge: boolean;
  /** Tell the machine, and everybody. */
  readonly tell: boolean;
}

const CHALLENGE_EVERY_MS = 5 * 60_000;
/** A fleet that was verified together is not challenged together. */
const JITTER = 0.1;
const ANSWER_MS = 30_000;
const RETRY_MS = 60_000;
const STRIKES = 3;
/** Three challenges may be missed, and a minute. */
const FRESH_MS = 16 * 60_000;

export const STRANGER: TrustState = {
  standing: 'pending',
  level: 'none',
  proven: false,
  fault: undefined,
  evidence: undefined,
  freshUntil: 0,
  misses: 0,
  nonce: undefined,
  nonceAt: 0,
  wakeAt: undefined,
};

export interface Chances {
  readonly nonce: () => Uint8Array;
  readonly random: () => number;
}

export function trustStep(
  state: TrustState,
  event: TrustEvent,
  now: number,
  chances: Chances,
): TrustStep {
  switch (event.type) {
    case 'asked':
      if (state.standing === 'untrusted') return { state, challenge: false, tell: true };
      if (isVerified(state, now) && same(state.evidence?.sealingKey, event.sealingKey))
        return { state, challenge: false, tell: true };
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
      // A right answer does not lift an accusation.
      return state.proven || state.standing === 'untrusted'
        ? stay(state)
        : { state: { ...state, proven: true }, challenge: false, tell: true };
    case 'vouched':
      return isVerified(state, now) ? challenged(state, now, chances) : stay(state);
    case 'pardoned':
      return { state: { ...STRANGER, wakeAt: now }, challenge: false, tell: true };
  }
}

const isVerified = (
  { standing, freshUntil }: Pick<TrustState, 'standing' | 'freshUntil'>,
  now: number,
): boolean => standing === 'verified' && now < freshUntil;

/** Whether this answers the challenge that is under way. */
export const isAwaited = (
  { nonce, nonceAt }: TrustState,
  answer: Uint8Array,
  now: number,
): boolean => nonce !== undefined && same(nonce, answer) && now - nonceAt <= ANSWER_MS;

export function judgementOf({ standing, level, fault, evidence }: TrustState): Judgement {
  return {
    standing,
    level,
    ...(fault && { fault }),
    ...(evidence && { sealingKey: evidence.sealingKey }),
  };
}

/** The same nonce as long as it may be answered: the challenge may have been lost on its way. */
function challenged(state: TrustState, now: number, { nonce }: Chances): TrustStep {
  if (state.nonce !== undefined && now - state.nonceAt < ANSWER_MS / 2)
    return { state, challenge: true, tell: false };
  return {
    state: { ...state, nonce: nonce(), nonceAt: now, wakeAt: now + ANSWER_MS },
    challenge: true,
    tell: false,
  };
}

function due(state: TrustState, now: number, chances: Chances): TrustStep {
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
  return { state: lapsed, challenge: false, tell: true };
}

function answered(
  state: TrustState,
  { evidence, finding }: Extract<TrustEvent, { type: 'answered' }>,
  now: number,
  { random }: Chances,
): TrustStep {
  if (state.standing === 'untrusted') return { state, challenge: false, tell: true };
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
  return { state: verified, challenge: false, tell: true };
}

/** Whoever is not verified asks to be, again and again: it needs no help. */
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
    tell: true,
  };
}

const stay = (state: TrustState): TrustStep => ({ state, challenge: false, tell: false });

/**
 * Neither side of it is a secret: a nonce that arrives late is worth nothing, and keys are public.
 */
const same = (one: Uint8Array | undefined, other: Uint8Array): boolean =>
  one !== undefined && isSame(one, other);
