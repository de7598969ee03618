import { count, optional } from '../../schema-parts.ts';
import { type Static, Type } from '../../type.ts';

/** Why a machine gets no base reward or promotion for a day, or less. `has` and `needs` have the unit that is named. */
export const REWARD_REASONS = [
  /** Minutes in which it was ready to serve. */
  'hours',
  /** Minutes in which it was ready with proof of its hardware. */
  'hardware_trust',
  /** Minutes in which it was ready with a valid proof of any kind. */
  'signed_trust',
  /** Days since it was linked. */
  'age',
  /** Memory of the computer in MB, as the machine reports it. */
  'memory',
  /** Answers to other accounts that paid with money. */
  'requests',
  /** The same, for the models that the policy names. */
  'model_requests',
  /** Another machine of the network runs on the same computer. */
  'same_computer',
  /** Removed, caught, or of a suspended account. */
  'excluded',
  /** It belongs to no account. */
  'no_owner',
  /** The owner has as many rewarded machines as the policy allows. */
  'owner_limit',
  /** Other machines have used up the budget of the day. */
  'budget',
  /** The fund out of which rewards are paid is empty. */
  'fund',
  /** All answers were paid with promotional credit. */
  'unpaid',
  /** The answers have too few tokens for a millionth of a dollar. */
  'too_few_tokens',
  /** One customer brings only so much of a promotion for a day. */
  'customer_limit',
  /** The machines of one account get only so much of a promotion for a day. */
  'owner_amount',
  /** The promotion has paid all that it may pay. */
  'promotion_cap',
] as const;

export const RewardReason = Type.Object({
  reason: Type.Enum(REWARD_REASONS),
  has: optional(count),
  needs: optional(count),
});
export type RewardReason = Static<typeof RewardReason>;

const MINUTES_PER_HOUR = 60;
const MB_PER_GB = 1_000;

/** The reasons as sentences about the machine. */
export const rewardReasonsText = (reasons: readonly RewardReason[]): string =>
  reasons.map(sentenceOf).join(' ');

function sentenceOf({ reason, has = 0, needs = 0 }: RewardReason): string {
  switch (reason) {
    case 'hours':
      return `It was ready to serve for ${duration(has)} of the ${duration(needs)} that it needs.`;
    case 'hardware_trust':
      return `It was ready with hardware trust for ${duration(has)} of the ${duration(needs)} that it needs.`;
    case 'signed_trust':
      return `It was ready with a valid proof for ${duration(has)} of the ${duration(needs)} that it needs.`;
    case 'age':
      return `It was linked ${has} days before; rewards begin after ${needs} days.`;
    case 'memory':
      return `It reports ${gigabytes(has)} of memory and needs ${gigabytes(needs)}.`;
    case 'requests':
      return `It answered ${has} of the ${needs} requests of paying accounts that it needs.`;
    case 'model_requests':
      return `It answered ${has} of the ${needs} requests that it needs for the rewarded models.`;
    case 'same_computer':
      return 'Another machine of the network runs on the same computer.';
    case 'excluded':
      return 'It was removed, is not trusted, or its account is suspended.';
    case 'no_owner':
      return 'It belongs to no account.';
    case 'owner_limit':
      return `Its owner got rewards for ${needs} other machines, and no more are rewarded.`;
    case 'budget':
      return 'The budget of the day was spent on machines that served more.';
    case 'fund':
      return 'The fund of the network for rewards was empty.';
    case 'unpaid':
      return 'Its answers were paid with promotional credit.';
    case 'too_few_tokens':
      return 'Its answers had too few tokens.';
    case 'customer_limit':
      return 'One customer brought more than counts for a day.';
    case 'owner_amount':
      return 'Its owner got the most that one account gets for a day.';
    case 'promotion_cap':
      return 'The promotion has paid all that it may pay.';
  }
}

const gigabytes = (megabytes: number): string => `${Math.round(megabytes / MB_PER_GB)} GB`;

function duration(minutes: number): string {
  const hours = Math.floor(minutes / MINUTES_PER_HOUR);
  const rest = minutes % MINUTES_PER_HOUR;
  if (hours === 0) return `${rest} min`;
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}
