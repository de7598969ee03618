import { type Static, Type } from 'typebox';
import { AccountId, BuildId, JobId, KeyId, ModelName, ProviderId } from '../ids.ts';
import { count, nothing, optional } from '../schema-parts.ts';
import { methodsOf } from './service-method.ts';
import { Finish, JobResult, TrustLevel } from './vocabulary.ts';

/** Records of single jobs for the accounts that paid for them, and lost facts. */

const generationRequest = Type.Object({ account: AccountId, job: JobId });
const Generation = Type.Object({
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
  /** The trust level of the machine when it served. */
  trustLevel: optional(TrustLevel),
});
export type Generation = Static<typeof Generation>;
const generation = Type.Object({ generation: optional(Generation) });

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

const define = methodsOf('telemetry');
export const telemetry = {
  generation: define('generation', generationRequest, generation),
  /** The losses of each stream whose last one is less than an hour old. */
  losses: define('losses', nothing, losses),
} as const;
