import { AccountId, JobId, ModelName, ProviderId } from '../../ids.ts';
import { At, count, nothing, optional } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { methodsOf } from '../service-method.ts';
import { MAX_PUBLIC_NAMES } from '../trust.ts';

const earningsRequest = Type.Object({
  account: AccountId,
  from: optional(At),
  until: optional(At),
});
const earnings = Type.Object({
  lifetimeMicroUsd: count,
  /** Earnings in the requested time, in whole hours. */
  sources: Type.Array(
    Type.Object({
      source: Type.String({ maxLength: 64 }),
      jobs: count,
      promptTokens: count,
      completionTokens: count,
      amountMicroUsd: count,
    }),
    { maxItems: 10_000 },
  ),
});
export type Earnings = Static<typeof earnings>;

/** Days of UTC, today included, for which a machine reads its earnings; every month fits. */
export const MAX_EARNING_DAYS = 31;
/** Rows of day and model; a machine has at most 64 builds at a time. */
export const MAX_EARNING_ROWS = 2_000;
export const MAX_EARNING_JOBS = 100;
const earnedFor = {
  model: ModelName,
  promptTokens: count,
  completionTokens: count,
  amountMicroUsd: count,
};
const machineEarnings = Type.Object({
  /** Newest day first. */
  days: Type.Array(
    Type.Object({
      day: Type.String({ maxLength: 10 }),
      jobs: count,
      ...earnedFor,
    }),
    { maxItems: MAX_EARNING_ROWS },
  ),
  /** The last jobs that were paid, newest first. */
  jobs: Type.Array(Type.Object({ job: JobId, at: At, ...earnedFor }), {
    maxItems: MAX_EARNING_JOBS,
  }),
});
export type MachineEarnings = Static<typeof machineEarnings>;

/** Rows of model and chip; a catalogue has fewer models, and the table of chips about twenty. */
export const MAX_MODEL_EARNINGS = 2_000;
/** What machines earned from one model within the last week. */
const modelEarnings = Type.Object({
  model: ModelName,
  /** The chip of these machines, or `other`; absent for all machines together. */
  chip: optional(Type.String({ maxLength: 64 })),
  /** Machines that earned from this model. */
  machines: count,
  /** Half of them earned at least this much. */
  medianMicroUsd: count,
});
const modelEarningsReply = Type.Object({
  since: At,
  rows: Type.Array(modelEarnings, { maxItems: MAX_MODEL_EARNINGS }),
});
export type ModelEarnings = Static<typeof modelEarnings>;

/** Days for which the answer tokens of machines are counted. */
export const SERVED_DAYS = 30;
const servedTokensRequest = Type.Object({
  providers: Type.Array(ProviderId, { maxItems: MAX_PUBLIC_NAMES }),
});
const servedTokens = Type.Object({
  /** Without machines that earned nothing; jobs of their own owners earn nothing. */
  machines: Type.Array(Type.Object({ provider: ProviderId, jobs: count, tokens: count }), {
    maxItems: MAX_PUBLIC_NAMES,
  }),
});

const define = methodsOf('settlement');

/** Requests about what accounts and machines earned. */
export const earningsMethods = {
  earnings: define('earnings', earningsRequest, earnings),
  /** Returns what one machine earned, with or without an owner. */
  machineEarnings: define(
    'machine-earnings',
    Type.Object({ provider: ProviderId }),
    machineEarnings,
  ),
  /** Returns what machines earned by model and chip, without groups that would show one person. */
  modelEarnings: define('model-earnings', nothing, modelEarningsReply),
  /** Returns how many paid jobs and answer tokens machines had in the last 30 days. */
  servedTokens: define('served-tokens', servedTokensRequest, servedTokens),
} as const;
