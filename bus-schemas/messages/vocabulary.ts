import { type Static, Type } from 'typebox';
import { Bytes } from '../codec.ts';
import { countUpTo, optional } from '../schema-parts.ts';

/**
 * Closed vocabularies that several messages share. A new word is added here, and every switch over
 * it fails to compile.
 */

/** Why a provider did not take a job. */
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
  /** Asked about a job that this session does not know: it was lost with an earlier one. */
  'unknown_job',
] as const;
export const Refusal = Type.Enum(REFUSALS);
export type Refusal = Static<typeof Refusal>;

/** Why a generation ended. */
export const FINISHES = ['stop', 'length', 'cancelled', 'error', 'tool_calls'] as const;
export const Finish = Type.Enum(FINISHES);
export type Finish = Static<typeof Finish>;

/** Why an attempt of a provider ended without serving the job to its end. */
export const ATTEMPT_FAILURES = [
  'refused',
  'no_answer',
  'first_content_late',
  'disconnected',
  'stalled',
  'unopenable_frame',
  'engine_error',
  'protocol_violation',
  /** The provider asks for more than the account has. */
  'unaffordable',
] as const;
export const AttemptFailure = Type.Enum(ATTEMPT_FAILURES);
export type AttemptFailure = Static<typeof AttemptFailure>;

/** In how many bits a build's weights are; by the names that OpenRouter gave them. */
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

/** How a job ended, as its consumer saw it. */
export const JOB_RESULTS = ['completed', 'cut_short', 'client_gone', 'failed'] as const;
export const JobResult = Type.Enum(JOB_RESULTS);
export type JobResult = Static<typeof JobResult>;

/** Why a coordinator takes a job back. */
export const CANCEL_REASONS = ['client_gone', 'superseded', 'fault'] as const;
export const CancelReason = Type.Enum(CANCEL_REASONS);
export type CancelReason = Static<typeof CancelReason>;

export const ENGINES = ['mlx', 'webgpu', 'cpu', 'simulated', 'reference'] as const;
export const EngineName = Type.Enum(ENGINES);
export type EngineName = Static<typeof EngineName>;

/** Readiness of one build on one machine. */
export const SLOT_STATES = ['resident', 'loading', 'cold', 'failed'] as const;
export const SlotState = Type.Enum(SLOT_STATES);
export type SlotState = Static<typeof SlotState>;

/** What a request may ask for that not every model, and not every machine, can do. */
export const TRAITS = ['tools', 'vision', 'reasoning'] as const;
export const Trait = Type.Enum(TRAITS);
export type Trait = Static<typeof Trait>;
export const Traits = Type.Array(Trait, { maxItems: TRAITS.length });

export const Usage = Type.Object({
  promptTokens: countUpTo(10_000_000),
  cachedTokens: countUpTo(10_000_000),
  /** Reasoning and answer together. */
  completionTokens: countUpTo(10_000_000),
  /** Of these, what was reasoning. */
  reasoningTokens: optional(countUpTo(10_000_000)),
});
export type Usage = Static<typeof Usage>;

/** HMAC-SHA-256 cut to 128 bits. A provider can try a forgery only by sending it to settlement. */
export const PROOF_BYTES = 16;
/**
 * Completion tokens of an attempt that its client has taken, with a proof that only components of
 * the coordinator can make and check.
 */
export const Delivered = Type.Object({
  tokens: countUpTo(10_000_000),
  proof: Bytes({ min: PROOF_BYTES, max: PROOF_BYTES }),
});
export type Delivered = Static<typeof Delivered>;

/** How well a machine has shown what it is; each is worth more than those before it. */
export const TRUST_LEVELS = ['none', 'self_signed', 'hardware'] as const;
export const TrustLevel = Type.Enum(TRUST_LEVELS);
export type TrustLevel = Static<typeof TrustLevel>;

/**
 * Where a machine stands. `pending`: not shown yet, or not any more; `verified`: may be offered
 * work; `lapsed`: it was asked three times
 * and was silent; `untrusted`: caught, until an operator pardons it.
 */
export const STANDINGS = ['pending', 'verified', 'lapsed', 'untrusted'] as const;
export const Standing = Type.Enum(STANDINGS);
export type Standing = Static<typeof Standing>;

/** Why a machine is not trusted. */
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
] as const;
export const TrustFault = Type.Enum(TRUST_FAULTS);
export type TrustFault = Static<typeof TrustFault>;
