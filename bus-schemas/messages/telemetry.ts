import { type Static, Type } from 'typebox';
import { defineMessage } from '../codec.ts';
import { AccountId, BuildId, JobId, KeyId, ModelName, ProviderId } from '../ids.ts';
import { method } from './service-method.ts';
import { Finish, JobResult } from './vocabulary.ts';

/** What is remembered of single jobs, for those who paid for them. */

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const optional = Type.Optional;

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
});
export type Generation = Static<typeof Generation>;
const generation = Type.Object({ generation: optional(Generation) });

export const telemetry = {
  generation: method(
    'telemetry',
    'generation',
    defineMessage('telemetry.generation', generationRequest),
    defineMessage('telemetry.generation.reply', generation),
  ),
} as const;
