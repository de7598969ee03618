import { Bytes } from '../codec.ts';
import { countUpTo, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';

/**
 * Closed vocabularies that several messages share. After a new member is added here, every `switch`
 * over the vocabulary fails to compile until it handles the member.
 */

/** Reasons of a provider for refusing a job. */
export const REFUSALS = [
  'queue_full',
  'token_budget_exhausted',
  'model_not_loaded',
  'draining',
  'unsealable',
  'request_exceeds_context',
  'invalid_request',
  'unsupported_suite',
  'deadline_unreachable',
  /**
   * The message names a job that this session does not have: it was lost when the provider
   * restarted.
   */
  'unknown_job',
  /** The engine cannot continue an answer, or the tokens of the answer do not give its text. */
  'cannot_continue',
] as const;
export const Refusal = Type.Enum(REFUSALS);
export type Refusal = Static<typeof Refusal>;

/** Reasons for the end of a generation. */
export const FINISHES = [
  'stop',
  'length',
  'cancelled',
  'error',
  'tool_calls',
  /** The machine ended the answer, because the memory of its computer was almost full. */
  'out_of_memory',
] as const;
export const Finish = Type.Enum(FINISHES);
export type Finish = Static<typeof Finish>;

/** Reasons why an attempt did not serve its job completely. */
export const ATTEMPT_FAILURES = [
  'refused',
  'no_answer',
  'first_content_late',
  'disconnected',
  'stalled',
  'unopenable_frame',
  'engine_error',
  /** The machine ended the answer, because the memory of its computer was almost full. */
  'out_of_memory',
  'protocol_violation',
  /** The price of the provider exceeds the money of the account. */
  'unaffordable',
] as const;
export const AttemptFailure = Type.Enum(ATTEMPT_FAILURES);
export type AttemptFailure = Static<typeof AttemptFailure>;

/** Number format of a build's weights, with the names that OpenRouter uses. */
export const QUANTIZATIONS = [
  'int4',
  'int8',
  'fp4',
  'fp6',
  'fp8',
  'fp16',
  'bf16',
  'fp32',
  'unknown',
] as const;
export const Quantization = Type.Enum(QUANTIZATIONS);
export type Quantization = Static<typeof Quantization>;

/** Result of a job from the client's point of view. */
export const JOB_RESULTS = ['completed', 'cut_short', 'client_gone', 'failed'] as const;
export const JobResult = Type.Enum(JOB_RESULTS);
export type JobResult = Static<typeof JobResult>;

/** Reasons of the coordinator for cancelling a job. */
export const CANCEL_REASONS = ['client_gone', 'superseded', 'fault'] as const;
export const CancelReason = Type.Enum(CANCEL_REASONS);
export type CancelReason = Static<typeof CancelReason>;

/** Engines of this program. */
export const OWN_ENGINES = ['mlx', 'webgpu', 'cpu', 'simulated', 'reference'] as const;
/**
 * Programs that run the models. `external` is the model server of another project, which this
 * program only calls: its code is in no release of the network.
 */
const ENGINES = [...OWN_ENGINES, 'external'] as const;
export const EngineName = Type.Enum(ENGINES);
export type EngineName = Static<typeof EngineName>;

/** State of one build on one machine. */
export const SLOT_STATES = ['resident', 'loading', 'cold', 'failed'] as const;
export const SlotState = Type.Enum(SLOT_STATES);
export type SlotState = Static<typeof SlotState>;

/** State of a machine for people: the best state of its builds, unless it is away or leaving. */
export const MACHINE_STATES = ['ready', 'loading', 'cold', 'draining', 'silent', 'paused'] as const;

/**
 * Kinds of jobs whose results are numbers. A model has one of these traits if it does such jobs; it
 * then writes no answers.
 *
 * - `embeddings`: one vector for each text.
 * - `rerank`: the relevance of each document to a query.
 */
export const ENCODINGS = ['embeddings', 'rerank'] as const;
export const Encoding = Type.Enum(ENCODINGS);
export type Encoding = Static<typeof Encoding>;

/** Abilities of models that write answers. */
export const ANSWER_TRAITS = ['tools', 'vision', 'reasoning'] as const;
/** Abilities that a request may need and that not every model and machine has. */
export const TRAITS = [...ANSWER_TRAITS, ...ENCODINGS] as const;
export const Trait = Type.Enum(TRAITS);
export type Trait = Static<typeof Trait>;
export const Traits = Type.Array(Trait, { maxItems: TRAITS.length });

/** The encoding among traits; undefined if they are those of a model or request for answers. */
export const encodingOf = (traits: readonly Trait[] = []): Encoding | undefined =>
  ENCODINGS.find((encoding) => traits.includes(encoding));

const promptUsage = {
  promptTokens: countUpTo(10_000_000),
  /** The part of `promptTokens` that was in the machine's cache. */
  cachedTokens: countUpTo(10_000_000),
};
export const PromptUsage = Type.Object(promptUsage);
export type PromptUsage = Static<typeof PromptUsage>;

export const Usage = Type.Object({
  ...promptUsage,
  /** Answer tokens, including reasoning. */
  completionTokens: countUpTo(10_000_000),
  /** The part of `completionTokens` that was reasoning. */
  reasoningTokens: optional(countUpTo(10_000_000)),
});
export type Usage = Static<typeof Usage>;

/**
 * Size of an HMAC-SHA-256 that is cut to 128 bits. That is enough, because a provider can test a
 * forged proof only by sending it to settlement.
 */
export const PROOF_BYTES = 16;
/**
 * Number of an attempt's completion tokens that its client has received, with a proof that only
 * components of the coordinator can make and check.
 */
export const Delivered = Type.Object({
  tokens: countUpTo(10_000_000),
  proof: Bytes({ min: PROOF_BYTES, max: PROOF_BYTES }),
});
export type Delivered = Static<typeof Delivered>;

/** Strength of a machine's proof of its identity and code; each level is stronger than the last. */
export const TRUST_LEVELS = ['none', 'self_signed', 'hardware'] as const;
export const TrustLevel = Type.Enum(TRUST_LEVELS);
export type TrustLevel = Static<typeof TrustLevel>;

/**
 * State of a machine in trust.
 *
 * - `pending`: the machine has not proved itself, or not again after its proof expired.
 * - `verified`: it may get work.
 * - `lapsed`: it left three challenges in a row unanswered.
 * - `untrusted`: it was caught cheating; only an operator's pardon ends this.
 */
export const STANDINGS = ['pending', 'verified', 'lapsed', 'untrusted'] as const;
export const Standing = Type.Enum(STANDINGS);
export type Standing = Static<typeof Standing>;

/** Reasons for not trusting a machine. */
export const TRUST_FAULTS = [
  'bad_signature',
  'wrong_provider',
  'wrong_bus_key',
  'other_signing_key',
  'posture_off',
  'posture_unknown',
  'bad_certificates',
  'clock_off',
  'unknown_code',
  'unsupported_suite',
  'no_answer',
  'wrong_model',
  'overbilled',
  'unproven_bus_key',
] as const;
export const TrustFault = Type.Enum(TRUST_FAULTS);
export type TrustFault = Static<typeof TrustFault>;

/**
 * Parts of routing that an operator can switch off while it runs.
 *
 * - `affinity`: a conversation prefers the machine that has read its beginning.
 * - `warm_pool`: machines are ordered to load models by demand.
 */
export const ROUTING_SWITCHES = ['affinity', 'warm_pool'] as const;
export const RoutingSwitch = Type.Enum(ROUTING_SWITCHES);
export type RoutingSwitch = Static<typeof RoutingSwitch>;

/**
 * Reasons why a machine gets no jobs although trust has verified it.
 *
 * - `drained`: an operator drained it.
 * - `owner_suspended`: an operator suspended the account of its owner.
 */
export const MACHINE_PAUSES = ['drained', 'owner_suspended'] as const;
export const MachinePause = Type.Enum(MACHINE_PAUSES);
export type MachinePause = Static<typeof MachinePause>;

/** Why a machine with faults gets no job: a pause, one trial job, or a cooling after a refusal. */
export const BREAKER_STATES = ['paused', 'tried', 'cooling'] as const;
export const BreakerState = Type.Enum(BREAKER_STATES);
export type BreakerState = Static<typeof BreakerState>;
