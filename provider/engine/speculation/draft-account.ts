/**
 * What one answer has gained and lost by drafts. All times are measured in plain steps: 1 is the time
 * of a step without drafts, in which the answer gets one token.
 */
export interface DraftAccount {
  /** Estimated probability that the next drafted token is the one that the model chooses. */
  readonly acceptance: number;
  /** Tokens gained by drafts, minus the time that the drafts took. */
  readonly balance: number;
}

/** The costs of drafts in the next step. */
export interface DraftCosts {
  /** Time that each further token adds to a step, in plain steps. */
  readonly perToken: number;
  /** Maximum number of tokens that may be drafted. */
  readonly most: number;
}

/** What happened to the drafts of one step. */
export interface DraftOutcome {
  readonly drafted: number;
  readonly accepted: number;
  /** Time that the step took longer than a plain one, in plain steps. */
  readonly took: number;
}

const FIRST_ACCEPTANCE = 0.6;
const SMOOTHING = 0.2;
const FORGETTING = 0.02;
/** What an answer may lose at its beginning, before drafts have gained anything. */
const FIRST_BALANCE = 0.5;
/** What each plain step adds to the balance, so that drafts are tried again later. */
const ALLOWANCE = 0.01;
/** Gains above this are forgotten, so that a good beginning does not pay for a long bad end. */
const MOST_BALANCE = 4;

export const newAccount: DraftAccount = {
  acceptance: FIRST_ACCEPTANCE,
  balance: FIRST_BALANCE,
};

/**
 * Returns the number of tokens to draft that gains most, or 0 if drafts would lose time.
 *
 * Invariant: drafts cost at most what the balance can pay, even if none of them is accepted. So an
 * answer is never slower than without drafts by more than FIRST_BALANCE steps and ALLOWANCE of its
 * plain steps, as far as the costs are known.
 */
export function draftsWanted(account: DraftAccount, { perToken, most }: DraftCosts): number {
  let [wanted, best] = [0, 0];
  for (let count = 1; count <= most && count * perToken <= account.balance; count += 1) {
    const gain = expectedAccepted(account.acceptance, count) - count * perToken;
    if (gain > best) [wanted, best] = [count, gain];
  }
  return wanted;
}

/** Expected number of accepted tokens: a token counts only if all before it are accepted. */
export const expectedAccepted = (acceptance: number, count: number): number =>
  Array.from({ length: count }, (_, i) => acceptance ** (i + 1)).reduce((a, b) => a + b, 0);

/** The account after a step with drafts. */
export function afterDrafts(
  { acceptance, balance }: DraftAccount,
  { drafted, accepted, took }: DraftOutcome,
): DraftAccount {
  const outcomes = [...Array(accepted).fill(1), ...(accepted < drafted ? [0] : [])] as number[];
  return {
    acceptance: outcomes.reduce((before, now) => before + SMOOTHING * (now - before), acceptance),
    balance: Math.min(MOST_BALANCE, balance + accepted - took),
  };
}

/**
 * The account after a step without drafts. A bad record is forgotten slowly, so that an answer that
 * has stopped drafting tries again.
 */
export function afterPlainStep({ acceptance, balance }: DraftAccount): DraftAccount {
  return {
    acceptance: acceptance + FORGETTING * Math.max(0, FIRST_ACCEPTANCE - acceptance),
    balance: Math.min(MOST_BALANCE, balance + ALLOWANCE),
  };
}
