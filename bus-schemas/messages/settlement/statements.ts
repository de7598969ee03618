import { AccountId, JobId, KeyId, ModelName, ProviderId } from '../../ids.ts';
import { At, count, optional, signed } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf } from '../service-method.ts';

const Page = {
  from: optional(At),
  until: optional(At),
  /** The value `next` of the previous page. */
  after: optional(Type.String({ maxLength: 200 })),
  limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
};

/**
 * Charges before this time are in archives and not in the database, in milliseconds since 1970.
 * Absent if nothing was archived.
 */
const OnlineSince = At;

const usageRequest = Type.Object({
  account: AccountId,
  job: optional(JobId),
  key: optional(KeyId),
  model: optional(ModelName),
  ...Page,
});
const usage = Type.Object({
  /** Newest first: all jobs that ended, including free ones. */
  jobs: Type.Array(
    Type.Object({
      job: JobId,
      at: At,
      key: KeyId,
      model: ModelName,
      provider: optional(ProviderId),
      outcome: Type.Enum(['settled', 'refunded', 'void']),
      promptTokens: count,
      cachedTokens: count,
      completionTokens: count,
      heldMicroUsd: count,
      chargedMicroUsd: count,
      /**
       * True if no ingress reported the end of the job: it was settled by the provider's receipt,
       * or refunded when its hold expired.
       */
      ingressLost: optional(Type.Boolean()),
    }),
    { maxItems: 1_000 },
  ),
  onlineSince: optional(OnlineSince),
  next: optional(Type.String({ maxLength: 200 })),
});
export type AccountUsage = Static<typeof usage>;

const statementRequest = Type.Object({
  account: AccountId,
  ...Page,
});
const statement = Type.Object({
  /**
   * All changes of the balance, oldest first. Each job's charge is one line; earnings are summed by
   * the hour.
   */
  lines: Type.Array(
    Type.Object({
      at: At,
      kind: Type.String({ maxLength: 32 }),
      reference: Type.String({ maxLength: 200 }),
      amountMicroUsd: signed,
      /** The part of the amount that was paid from promotional credit, or earned as such. */
      promotionalMicroUsd: optional(signed),
      /** Why the amount was given, for credits and rewards. */
      note: optional(Type.String({ maxLength: 200 })),
      model: optional(ModelName),
      key: optional(KeyId),
      promptTokens: optional(count),
      completionTokens: optional(count),
    }),
    { maxItems: 1_000 },
  ),
  onlineSince: optional(OnlineSince),
  next: optional(Type.String({ maxLength: 200 })),
});
export type AccountStatement = Static<typeof statement>;

const define = methodsOf('settlement');

/** Requests about the jobs of an account and the changes of its balance. */
export const statementsMethods = {
  usage: define('usage', usageRequest, usage),
  statement: define('statement', statementRequest, statement),
} as const;
