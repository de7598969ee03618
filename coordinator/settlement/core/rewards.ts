import { createHash } from 'node:crypto';
import type { RewardPolicy, RewardReason, TrustLevel } from '#bus-schemas';

/** What is known about a machine and one day. Only `memoryMb` is a claim of the machine. */
export interface RewardCandidate {
  readonly provider: string;
  readonly account: string | undefined;
  /** Minutes in which it was ready, serving or idle, by the counts of the routers. */
  readonly readyMinutes: number;
  readonly servingMinutes: number;
  /** Parts of `readyMinutes`, by the trust level that the machine had at least. */
  readonly signedMinutes: number;
  readonly hardwareMinutes: number;
  /** Answers to other accounts that paid with money. */
  readonly requests: number;
  /** The part of `requests` for the models of the policy. */
  readonly modelRequests: number;
  readonly memoryMb: number | undefined;
  /** Whole days from its linking to the beginning of the day. */
  readonly ageDays: number;
  readonly isExcluded: boolean;
  readonly sharesComputer: boolean;
}

export interface DecidedReward {
  readonly candidate: RewardCandidate;
  readonly amount: number;
  /** Empty exactly if there is an amount. */
  readonly reasons: readonly RewardReason[];
}

interface DayOfRewards {
  readonly day: string;
  readonly policy: RewardPolicy;
  readonly candidates: readonly RewardCandidate[];
  /** What the fund has, in micro-dollars. */
  readonly fundMicroUsd: number;
}

/**
 * Decides who gets the base reward of a day. A machine gets the whole amount or nothing. Machines
 * that served longest come first, until the owner's limit, the budget or the fund ends. So further
 * machines of an attacker that only wait cannot push out machines that work.
 */
export function decideRewards({
  day,
  policy,
  candidates,
  fundMicroUsd,
}: DayOfRewards): DecidedReward[] {
  const ofOwner = new Map<string, number>();
  let spent = 0;
  return inOrder(day, candidates).map((candidate) => {
    const refused = (reasons: readonly RewardReason[]) => ({ candidate, amount: 0, reasons });
    const missing = unmetConditions(candidate, policy);
    const { account } = candidate;
    if (account === undefined || missing.length > 0) return refused(missing);
    const rewarded = ofOwner.get(account) ?? 0;
    if (rewarded >= policy.ownerMachines)
      return refused([{ reason: 'owner_limit', needs: policy.ownerMachines }]);
    const amount = policy.amountMicroUsd;
    if (spent + amount > policy.dayBudgetMicroUsd) return refused([{ reason: 'budget' }]);
    if (spent + amount > fundMicroUsd) return refused([{ reason: 'fund' }]);
    ofOwner.set(account, rewarded + 1);
    spent += amount;
    return { candidate, amount, reasons: [] };
  });
}

/** All conditions that the machine itself did not meet, so that its owner sees them at once. */
function unmetConditions(
  candidate: RewardCandidate,
  policy: RewardPolicy,
): readonly RewardReason[] {
  const { account, readyMinutes, ageDays, memoryMb = 0, requests, modelRequests } = candidate;
  const trusted = trustedMinutes(candidate, policy.level);
  const reasons: (RewardReason | false)[] = [
    account === undefined && { reason: 'no_owner' },
    candidate.isExcluded && { reason: 'excluded' },
    candidate.sharesComputer && { reason: 'same_computer' },
    readyMinutes < policy.readyMinutes && {
      reason: 'hours',
      has: readyMinutes,
      needs: policy.readyMinutes,
    },
    // Too few hours are one reason, not two.
    readyMinutes >= policy.readyMinutes &&
      trusted < policy.readyMinutes && {
        reason: policy.level === 'hardware' ? 'hardware_trust' : 'signed_trust',
        has: trusted,
        needs: policy.readyMinutes,
      },
    ageDays < policy.ageDays && { reason: 'age', has: ageDays, needs: policy.ageDays },
    policy.memoryMb !== undefined &&
      memoryMb < policy.memoryMb && { reason: 'memory', has: memoryMb, needs: policy.memoryMb },
    requests < policy.requests && { reason: 'requests', has: requests, needs: policy.requests },
    requests >= policy.requests &&
      policy.models !== undefined &&
      modelRequests < policy.requests && {
        reason: 'model_requests',
        has: modelRequests,
        needs: policy.requests,
      },
  ];
  return reasons.filter((reason) => reason !== false);
}

function trustedMinutes(candidate: RewardCandidate, level: TrustLevel): number {
  switch (level) {
    case 'none':
      return candidate.readyMinutes;
    case 'self_signed':
      return candidate.signedMinutes;
    case 'hardware':
      return candidate.hardwareMinutes;
  }
}

/**
 * The machines that served longest first. Equal ones are in an order that differs by the day, so
 * that a machine cannot choose a key with which it always comes first.
 */
function inOrder(day: string, candidates: readonly RewardCandidate[]): RewardCandidate[] {
  const lots = new Map(candidates.map(({ provider }) => [provider, lotOf(day, provider)]));
  const lot = ({ provider }: RewardCandidate) => lots.get(provider) ?? '';
  return candidates.toSorted(
    (one, other) =>
      other.servingMinutes - one.servingMinutes ||
      other.readyMinutes - one.readyMinutes ||
      (lot(one) < lot(other) ? -1 : 1),
  );
}

export const lotOf = (day: string, provider: string): string =>
  createHash('sha256').update(`${day} ${provider}`).digest('hex');
