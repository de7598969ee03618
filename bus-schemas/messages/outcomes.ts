import type { AttemptFailure, Finish, Refusal } from './vocabulary.ts';

/**
 * Defines who is at fault when a provider does not serve a job, and the consequences. The router's
 * breakers and cooling, the ingress's choice to try another provider and the error of the API all
 * use this table, so that they cannot contradict one another. A new member of one of the three
 * vocabularies does not compile until it has a row here.
 */

/**
 * `client`: the request. `machine`: the provider. `network`: the coordinator or the bus. `none`:
 * a normal event, such as a full machine.
 */
type Party = 'client' | 'machine' | 'network' | 'none';

/**
 * The effect of an outcome on the fault record of the provider
 * (coordinator/routing/core/faults.ts):
 *
 * - `none`: no effect.
 * - `note`: the provider blames the client. Clients of one account cannot harm a provider this
 *   way, but a provider that blames clients of several accounts in a short time cools, because it
 *   may be avoiding work.
 * - `cool`: the provider gets no work for a short time, which doubles with each refusal in a row.
 * - `fault`: the outcome counts towards opening the provider's breaker.
 */
type RecordEffect = 'none' | 'note' | 'cool' | 'fault';

export interface Outcome {
  readonly party: Party;
  /** Whether another provider may be tried while the client has received nothing. */
  readonly retry: boolean;
  readonly record: RecordEffect;
  /**
   * Error code of the API when nothing else is tried; its HTTP status is in
   * http-api/errors.ts.
   */
  readonly error: OutcomeError;
}

type OutcomeError =
  | 'saturated'
  | 'context_length_exceeded'
  | 'invalid_request'
  | 'invalid_schema'
  | 'badly_sealed'
  | 'provider_error'
  | 'first_content_timeout'
  | 'service_unavailable'
  | 'insufficient_quota';

/** Members of `Refusal`, and two that `refusalOutcome` derives from the rest of the attempt. */
type RefusalRow = Refusal | 'unsealable_by_client' | 'invalid_schema';

const REFUSAL_OUTCOMES = {
  // A provider that refuses although it has just announced free capacity is tried again a moment
  // later.
  queue_full: { party: 'none', retry: true, record: 'cool', error: 'saturated' },
  token_budget_exhausted: { party: 'none', retry: true, record: 'cool', error: 'saturated' },
  model_not_loaded: { party: 'machine', retry: true, record: 'cool', error: 'saturated' },
  draining: { party: 'none', retry: true, record: 'cool', error: 'saturated' },
  deadline_unreachable: { party: 'none', retry: true, record: 'none', error: 'saturated' },
  request_exceeds_context: {
    party: 'client',
    retry: false,
    record: 'none',
    error: 'context_length_exceeded',
  },
  invalid_request: { party: 'client', retry: false, record: 'note', error: 'invalid_request' },
  invalid_schema: { party: 'client', retry: false, record: 'note', error: 'invalid_schema' },
  // The ingress sealed for the key that the provider announced: it lost that key or refuses without
  // a reason.
  unsealable: { party: 'machine', retry: true, record: 'cool', error: 'provider_error' },
  unsealable_by_client: { party: 'client', retry: false, record: 'note', error: 'badly_sealed' },
  unsupported_suite: { party: 'machine', retry: true, record: 'cool', error: 'provider_error' },
  // A provider that restarted lost a job that it had accepted.
  unknown_job: { party: 'machine', retry: true, record: 'fault', error: 'provider_error' },
  // The tokens may come from a machine that cheated, so this one is not at fault.
  cannot_continue: { party: 'none', retry: true, record: 'none', error: 'provider_error' },
} as const satisfies Record<RefusalRow, Outcome>;

const FAILURE_OUTCOMES = {
  // Trust did not answer, or has no evidence to show to a client that seals.
  no_answer: { party: 'network', retry: true, record: 'none', error: 'service_unavailable' },
  first_content_late: {
    party: 'machine',
    retry: true,
    record: 'fault',
    error: 'first_content_timeout',
  },
  disconnected: { party: 'machine', retry: true, record: 'fault', error: 'provider_error' },
  stalled: { party: 'machine', retry: true, record: 'fault', error: 'provider_error' },
  unopenable_frame: { party: 'machine', retry: true, record: 'fault', error: 'provider_error' },
  engine_error: { party: 'machine', retry: true, record: 'fault', error: 'provider_error' },
  // Other programs of the owner need the memory, and the machine has closed by itself.
  out_of_memory: { party: 'machine', retry: true, record: 'cool', error: 'provider_error' },
  protocol_violation: { party: 'machine', retry: true, record: 'fault', error: 'provider_error' },
  // The account cannot pay this provider's price; another one may cost less.
  unaffordable: { party: 'client', retry: true, record: 'none', error: 'insufficient_quota' },
} as const satisfies Record<Exclude<AttemptFailure, 'refused'>, Outcome>;

/**
 * The failure that each finish reason means; undefined if the answer is complete. This table
 * applies only when the ingress did not cancel the job, so `cancelled` is an error of the engine.
 */
export const FINISH_FAILURES = {
  stop: undefined,
  length: undefined,
  tool_calls: undefined,
  cancelled: 'engine_error',
  error: 'engine_error',
  out_of_memory: 'out_of_memory',
} as const satisfies Record<Finish, Exclude<AttemptFailure, 'refused'> | undefined>;

/** Further facts about a refusal. */
export interface RefusalContext {
  readonly refusal?: Refusal | undefined;
  /** The client sealed the request, so the ingress cannot vouch for it. */
  readonly clientSealed?: boolean | undefined;
  /** The part of an invalid request that the provider names. */
  readonly about?: RefusalAbout | undefined;
}

export const REFUSAL_ABOUTS = ['schema'] as const;
export type RefusalAbout = (typeof REFUSAL_ABOUTS)[number];

function refusalOutcome({
  refusal,
  clientSealed,
  about,
}: RefusalContext & { readonly refusal: Refusal }): Outcome {
  if (refusal === 'unsealable' && clientSealed === true)
    return REFUSAL_OUTCOMES.unsealable_by_client;
  if (refusal === 'invalid_request' && about === 'schema') return REFUSAL_OUTCOMES.invalid_schema;
  return REFUSAL_OUTCOMES[refusal];
}

/** A refusal without a reason comes from another version and is treated like `queue_full`. */
export function attemptOutcome(failure: AttemptFailure, context: RefusalContext = {}): Outcome {
  if (failure !== 'refused') return FAILURE_OUTCOMES[failure];
  return refusalOutcome({ ...context, refusal: context.refusal ?? 'queue_full' });
}
