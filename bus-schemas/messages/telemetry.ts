import { AccountId, BuildId, JobId, KeyId, ModelName, ProviderId } from '../ids.ts';
import { At, count, nothing, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { RoutedBecause } from './choice-reason.ts';
import { methodsOf } from './service-method.ts';
import { Finish, JobResult, TrustLevel } from './vocabulary.ts';

/** Records of single jobs for the accounts that paid for them, and lost facts. */

const generationRequest = Type.Object({ account: AccountId, job: JobId });
const GenerationRecord = Type.Object({
  job: JobId,
  at: count,
  key: KeyId,
  model: ModelName,
  build: BuildId,
  provider: optional(ProviderId),
  result: JobResult,
  finish: optional(Finish),
  streamed: Type.Boolean(),
  attempts: count,
  deliveredTokens: count,
  firstContentUs: optional(count),
  totalUs: count,
  /** Until routing had answered, and from then until the money was set aside; both in µs. */
  routeUs: optional(count),
  holdUs: optional(count),
  routed: optional(RoutedBecause),
  /** The trust level of the machine when it served. */
  trustLevel: optional(TrustLevel),
});
export type GenerationRecord = Static<typeof GenerationRecord>;
const generation = Type.Object({ generation: optional(GenerationRecord) });

const MAX_STREAMS = 8;

/**
 * Facts that JetStream removed from a stream before telemetry read them. Times are in milliseconds
 * since 1970.
 */
const LostFacts = Type.Object({
  stream: Type.String({ minLength: 1, maxLength: 64 }),
  facts: count,
  firstAt: count,
  lastAt: count,
});
export type LostFacts = Static<typeof LostFacts>;
const losses = Type.Object({ streams: Type.Array(LostFacts, { maxItems: MAX_STREAMS }) });

/** Hours of 30 days, the first and the last one incomplete. */
const MAX_HOURS = 24 * 30 + 1;
const MAX_MODELS = 1_000;
const rate = Type.Number({ minimum: 0 });

/** The median, and the value that 95 % of the answers are not worse than. */
const Spread = Type.Object({ p50: rate, p95: rate });

/** Counts of the last 30 days, of all accounts together. */
const NetworkStats = Type.Object({
  /** Hours in which a job ended; the oldest comes first. */
  hours: Type.Array(
    Type.Object({
      /** Beginning of the hour. */
      at: At,
      requests: count,
      /** Requests whose answer was complete. */
      completed: count,
      /** Answer tokens that reached an ingress. */
      tokens: count,
    }),
    { maxItems: MAX_HOURS },
  ),
  /** The models with the most requests come first; own builds of machine owners are included. */
  models: Type.Array(
    Type.Object({
      model: ModelName,
      dayRequests: count,
      dayTokens: count,
      monthRequests: count,
      monthTokens: count,
      /** Speed of one answer after its first content, averaged over its tokens; 0 if unknown. */
      tokensPerSecond: rate,
      /** Of the newest complete answers of the last 24 hours; absent without any. */
      lastDay: optional(
        Type.Object({ answers: count, firstContentMs: Spread, tokensPerSecond: Spread }),
      ),
    }),
    { maxItems: MAX_MODELS },
  ),
});
export type NetworkStats = Static<typeof NetworkStats>;

/** Days of the history, of which today is incomplete. */
export const AVAILABILITY_DAYS = 30;
/** Thirty days of so many models fit into one message. */
export const MAX_AVAILABILITY_MODELS = 200;

/** How often a request for each model could have been accepted, by day (UTC). */
const Availability = Type.Object({
  models: Type.Array(
    Type.Object({
      model: ModelName,
      /** Days with checks; the oldest comes first. */
      days: Type.Array(
        Type.Object({
          /** Beginning of the day. */
          at: At,
          checks: count,
          /** Checks at which a machine was ready for the model. */
          served: count,
        }),
        { maxItems: AVAILABILITY_DAYS },
      ),
    }),
    { maxItems: MAX_AVAILABILITY_MODELS },
  ),
});
export type Availability = Static<typeof Availability>;

const define = methodsOf('telemetry');
export const telemetry = {
  availability: define('availability', nothing, Availability),
  generation: define('generation', generationRequest, generation),
  /** The losses of each stream whose last one is less than an hour old. */
  losses: define('losses', nothing, losses),
  stats: define('stats', nothing, NetworkStats),
} as const;
