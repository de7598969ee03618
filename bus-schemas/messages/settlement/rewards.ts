import { AccountId, ModelName, ProviderId } from '../../ids.ts';
import { At, count, countUpTo, nothing, optional, positive, signed } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';
import { MAX_MEMORY_MB } from '../conditions.ts';
import { methodsOf, ok, refused } from '../service-method.ts';
import { TrustLevel } from '../vocabulary.ts';
import { REWARD_REASONS, RewardReason } from './reward-reasons.ts';

/** A day of UTC, such as 2026-11-28. */
const Day = Type.String({ maxLength: 10 });

/** What machines get for a day, and what they must have done on it. */
export const RewardPolicy = Type.Object({
  /** For one machine and day. */
  amountMicroUsd: positive,
  /** Most that all machines together get for a day. */
  dayBudgetMicroUsd: positive,
  /** Machines of one account that get a reward for the same day. */
  ownerMachines: Type.Integer({ minimum: 1, maximum: 1_000 }),
  /** Minutes in which the machine was ready to serve with at least the trust level `level`. */
  readyMinutes: countUpTo(1_440),
  level: TrustLevel,
  /** Answers to other accounts that paid with money, not with promotional credit. */
  requests: count,
  /** Days since the machine was linked. */
  ageDays: countUpTo(3_650),
  /** Only answers of these models count as `requests`; absent means all models. */
  models: optional(Type.Array(ModelName, { minItems: 1, maxItems: 64 })),
  /** A machine that reports less memory gets nothing. */
  memoryMb: optional(countUpTo(MAX_MEMORY_MB)),
});
export type RewardPolicy = Static<typeof RewardPolicy>;

/** An absent policy ends the rewards. */
const setPolicy = Type.Object({ policy: optional(RewardPolicy) });
/** A policy is valid from the next day of UTC on, so that no day is decided by another one. */
const policySet = Type.Object({ startsOn: Day });

/** Days of rewards in one reply. */
export const MAX_REWARD_DAYS = 31;
const policyReply = Type.Object({
  /** Absent while no rewards are paid. */
  policy: optional(RewardPolicy),
  /** The change that is already decided. */
  next: optional(Type.Object({ startsOn: Day, policy: optional(RewardPolicy) })),
  /** What the fund has for further days. */
  fundMicroUsd: count,
  /** What was decided and is not paid yet. */
  dueMicroUsd: count,
  /** Newest first. */
  days: Type.Array(
    Type.Object({ day: Day, machines: count, rewarded: count, amountMicroUsd: count }),
    { maxItems: MAX_REWARD_DAYS },
  ),
});

/** Extra money for answer tokens of some models, for some days. */
export const TokenPromotion = Type.Object({
  /** Name of the promotion, which owners see. */
  promotion: Type.String({ pattern: '^[a-z0-9-]{2,40}$', maxLength: 40 }),
  models: Type.Array(ModelName, { minItems: 1, maxItems: 64 }),
  /** For a million answer tokens, beside what the machine earns. */
  microUsdPerMillion: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
  /** First and last day. */
  startsOn: Day,
  endsOn: Day,
  /** Most that the promotion pays in all. */
  capMicroUsd: positive,
  /** Most for the machines of one account and a day. */
  ownerDayMicroUsd: positive,
  /** Most for the answers to one customer and a day. */
  customerDayMicroUsd: positive,
});
export type TokenPromotion = Static<typeof TokenPromotion>;
const promotionSet = Type.Union([
  ok({}),
  /** `begun`: its first day is not in the future. `wrong_days`: they are no period of at most a year. */
  refused(['begun', 'taken', 'wrong_days', 'too_many']),
]);
/** Promotions that are not over. */
export const MAX_PROMOTIONS = 100;
const promotions = Type.Object({
  promotions: Type.Array(Type.Object({ promotion: TokenPromotion, spentMicroUsd: count }), {
    maxItems: MAX_PROMOTIONS,
  }),
});
const endPromotion = Type.Object({ promotion: Type.String({ maxLength: 40 }) });

const fund = Type.Object({
  /** Moves fees of the platform into the fund; a negative amount moves them back. */
  amountMicroUsd: signed,
  /** Unique name of the movement. A repeated call with the same name moves nothing more. */
  operation: Type.String({ minLength: 1, maxLength: 128 }),
});
const funded = Type.Union([
  ok({ fundMicroUsd: count }),
  refused(['operation_conflict', 'insufficient_funds']),
]);

const rewardsRequest = Type.Object({
  /** Absent for operators, who see the machines of all accounts. */
  account: optional(AccountId),
  provider: optional(ProviderId),
  from: optional(At),
  until: optional(At),
  /** The value `next` of the previous page. */
  after: optional(Type.String({ maxLength: 200 })),
  limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
});
const machineReward = Type.Object({
  day: Day,
  provider: ProviderId,
  account: optional(AccountId),
  amountMicroUsd: count,
  /** Absent until the amount is on the account, and for zero. */
  paidAt: optional(At),
  readyMinutes: count,
  servingMinutes: count,
  requests: count,
  /** Name of the promotion that pays for answer tokens; absent for a base reward. */
  promotion: optional(Type.String({ maxLength: 40 })),
  /** Answer tokens that the promotion counted. */
  tokens: optional(count),
  /** Why the amount is zero, or less than the tokens would bring. */
  reasons: Type.Array(RewardReason, { maxItems: REWARD_REASONS.length }),
});
export type MachineReward = Static<typeof machineReward>;
const rewards = Type.Object({
  /** Newest day first. */
  rows: Type.Array(machineReward, { maxItems: 1_000 }),
  next: optional(Type.String({ maxLength: 200 })),
});

const define = methodsOf('settlement');

/** Requests about what machines get for being there, whether or not they earn. */
export const rewardsMethods = {
  rewardPolicy: define('reward-policy', nothing, policyReply),
  setRewardPolicy: define('set-reward-policy', setPolicy, policySet),
  fundRewards: define('fund-rewards', fund, funded),
  /** Promotions that are not over, with what they have paid. */
  promotions: define('promotions', nothing, promotions),
  addPromotion: define('add-promotion', TokenPromotion, promotionSet),
  /** Ends a promotion today, or removes it if it has not begun. */
  endPromotion: define('end-promotion', endPromotion, Type.Object({ known: Type.Boolean() })),
  /** Returns a row for each machine and day, also for zero. */
  rewards: define('rewards', rewardsRequest, rewards),
} as const;
