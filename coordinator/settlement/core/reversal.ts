/**
 * A deposit whose payment Stripe takes back, in whole or in part, and may give again. Amounts are in
 * micro-dollars.
 *
 * Invariants: `reversed` is what the books have taken back, from the account and as a debt;
 * 0 ≤ owed + reversedEarned ≤ reversed; each step moves what one loses to the others.
 */
export interface Reversal {
  readonly reversed: number;
  /** The part of it that was taken from the account's earnings. */
  readonly reversedEarned: number;
  /** The part of it that the account could not give back yet. */
  readonly owed: number;
}

/** What can be taken from an account: `bought` of it is taken before what was earned. */
export interface FreeMoney {
  readonly free: number;
  readonly bought: number;
}

/** Changes of the three sides of a step. They sum to zero. */
export interface ReversalStep {
  readonly next: Reversal;
  readonly account: number;
  /** The part of the account's change that concerns its earnings. */
  readonly earned: number;
  readonly stripe: number;
  readonly debts: number;
}

/** Brings the books to what Stripe has taken back of the deposit. Undefined if they agree. */
export function reverseTo(
  takenBack: number,
  reversal: Reversal,
  money: FreeMoney,
): ReversalStep | undefined {
  const { reversed, reversedEarned, owed } = reversal;
  const more = takenBack - reversed;
  if (more === 0) return undefined;
  if (more > 0) {
    const { taken, earned } = take(more, money);
    return {
      next: {
        reversed: takenBack,
        reversedEarned: reversedEarned + earned,
        owed: owed + more - taken,
      },
      account: -taken,
      earned: 0 - earned,
      stripe: more,
      debts: taken - more,
    };
  }
  // The debt is forgiven first. The account then gets back what was taken last: its earnings.
  const forgiven = Math.min(owed, -more);
  const returned = -more - forgiven;
  const earned = Math.min(reversedEarned, returned);
  return {
    next: { reversed: takenBack, reversedEarned: reversedEarned - earned, owed: owed - forgiven },
    account: returned,
    earned,
    stripe: more,
    debts: forgiven,
  };
}

/** Pays the debt from what the account has by now. Undefined if there is nothing to pay or take. */
export function payDebt(reversal: Reversal, money: FreeMoney): ReversalStep | undefined {
  const { taken, earned } = take(reversal.owed, money);
  if (taken === 0) return undefined;
  return {
    next: {
      ...reversal,
      reversedEarned: reversal.reversedEarned + earned,
      owed: reversal.owed - taken,
    },
    account: -taken,
    earned: 0 - earned,
    stripe: 0,
    debts: taken,
  };
}

function take(wanted: number, { free, bought }: FreeMoney): { taken: number; earned: number } {
  const taken = Math.min(wanted, free);
  return { taken, earned: Math.max(0, taken - bought) };
}
