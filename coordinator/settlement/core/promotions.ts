import type { RewardReason, TokenPromotion } from '#bus-schemas';
import { lotOf } from './rewards.ts';

/** What a machine answered for one customer on a day, of the models of a promotion. */
interface PromotedAnswers {
  readonly customer: string;
  readonly requests: number;
  /** Answer tokens that were paid with money. */
  readonly tokens: number;
}

export interface PromotedMachine {
  readonly provider: string;
  readonly account: string | undefined;
  readonly isExcluded: boolean;
  readonly answers: readonly PromotedAnswers[];
}

export interface DecidedPromotion {
  readonly machine: PromotedMachine;
  readonly tokens: number;
  readonly requests: number;
  readonly amount: number;
  /** Why the amount is zero, or less than the tokens would bring. */
  readonly reasons: readonly RewardReason[];
}

export interface DayOfPromotion {
  readonly day: string;
  readonly promotion: TokenPromotion;
  readonly machines: readonly PromotedMachine[];
  /** What the promotion has paid for other days, in micro-dollars. */
  readonly spentMicroUsd: number;
  /** What the fund has. */
  readonly fundMicroUsd: number;
}

const TOKENS = 1_000_000;

/**
 * Decides what each machine gets for its answers. Answers of one customer bring only so much on a
 * day over all machines: otherwise a person would pay their own machine through a second account
 * and earn more than the fee that this costs.
 */
export function decidePromotion(asked: DayOfPromotion): DecidedPromotion[] {
  const { promotion, machines } = asked;
  const left = {
    cap: promotion.capMicroUsd - asked.spentMicroUsd,
    fund: asked.fundMicroUsd,
    ofOwner: new Map<string, number>(),
    ofCustomer: new Map<string, number>(),
  };
  return inOrder(asked.day, machines).map((machine) => {
    const tokens = sumOf(machine, 'tokens');
    const requests = sumOf(machine, 'requests');
    const row = { machine, tokens, requests };
    const refused = (reason: RewardReason['reason']) => ({
      ...row,
      amount: 0,
      reasons: [{ reason }],
    });
    if (machine.account === undefined) return refused('no_owner');
    if (machine.isExcluded) return refused('excluded');
    if (tokens === 0) return refused('unpaid');
    return { ...row, ...limited(machine, machine.account, { promotion, left }) };
  });
}

interface Limits {
  readonly promotion: TokenPromotion;
  readonly left: {
    cap: number;
    fund: number;
    readonly ofOwner: Map<string, number>;
    readonly ofCustomer: Map<string, number>;
  };
}

/** Applies the limits in turn, and names each that lowers the amount. */
function limited(
  { answers }: PromotedMachine,
  account: string,
  { promotion, left }: Limits,
): { amount: number; reasons: RewardReason[] } {
  const { microUsdPerMillion, customerDayMicroUsd, ownerDayMicroUsd } = promotion;
  let full = 0;
  let amount = 0;
  for (const { customer, tokens } of answers) {
    // Rounded down for each customer, so that splitting answers never pays more.
    const brings = Math.floor((tokens * microUsdPerMillion) / TOKENS);
    const room = left.ofCustomer.get(customer) ?? customerDayMicroUsd;
    const counts = Math.min(brings, room);
    left.ofCustomer.set(customer, room - counts);
    full += brings;
    amount += counts;
  }
  const reasons: RewardReason[] = [];
  if (amount < full) reasons.push({ reason: 'customer_limit' });
  const lower = (room: number, reason: RewardReason['reason']): void => {
    if (room >= amount) return;
    amount = Math.max(0, room);
    reasons.push({ reason });
  };
  const ofOwner = left.ofOwner.get(account) ?? ownerDayMicroUsd;
  lower(ofOwner, 'owner_amount');
  lower(left.cap, 'promotion_cap');
  lower(left.fund, 'fund');
  if (full === 0) reasons.push({ reason: 'too_few_tokens' });
  left.ofOwner.set(account, ofOwner - amount);
  left.cap -= amount;
  left.fund -= amount;
  return { amount, reasons };
}

const sumOf = ({ answers }: PromotedMachine, field: 'tokens' | 'requests'): number =>
  answers.reduce((sum, answer) => sum + answer[field], 0);

/** The machines with most tokens first; equal ones in an order that differs by the day. */
const inOrder = (day: string, machines: readonly PromotedMachine[]): PromotedMachine[] =>
  machines
    .map((machine) => ({
      machine,
      tokens: sumOf(machine, 'tokens'),
      lot: lotOf(day, machine.provider),
    }))
    .toSorted((one, other) => other.tokens - one.tokens || (one.lot < other.lot ? -1 : 1))
    .map(({ machine }) => machine);
