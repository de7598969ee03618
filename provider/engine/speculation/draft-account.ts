/**
 * What is known about the drafts of one answer. All times are measured in plain steps: 1 is the time of
 * a step without drafts, in which the answer gets one token.
 */
export interface DraftAccount {
  /** Estimated probability that the next drafted token is the one that the model chooses. */
  readonly acceptance: number;
  /** Tokens gained by drafts, minus the time that the drafts took. */
  readonly balance: number;
}

/** The time that further tokens add to a step, by their number, in plain steps. */
export type Delay = (tokens: number) => number;

export const FIRST_ACCEPTANCE = 0.6;
const SMOOTHING = 0.2;
/** How fast an answer that has stopped drafting forgets why. */
const FORGETTING = 0.01;
/** What an answer may lose at its beginning, before drafts have gained anything. */
export const FIRST_BALANCE = 0.5;
/** What each plain step adds to the balance, so that drafts are tried again later. */
const ALLOWANCE = 0.01;
/** Gains above this are forgotten, so that a good beginning does not pay for a long bad end. */
export const MOST_BALANCE = 4;
/** Drafts must be expected to make the answer faster by this factor. */
const LEAST_FACTOR = 1.05;

/**
 * Returns the number of tokens to draft that makes the answer fastest, or 0 if none does.
 *
 * Invariant: drafts cost at most what the balance can pay, even if none of them is accepted. So an
 * answer is never slower than without drafts by more than FIRST_BALANCE steps and ALLOWANCE of its
 * plain steps, as far as the delays are known. Later answers have less by what earlier ones lost, so
 * many short answers lose no more than one long one.
 */
export function draftsWanted(
  { acceptance, balance }: DraftAccount,
  { delay, most }: { delay: Delay; most: number },
): number {
  let [wanted, best] = [0, LEAST_FACTOR];
  for (let count = 1; count <= most; count += 1) {
    const longer = delay(count);
    const factor = (1 + expectedAccepted(acceptance, count)) / (1 + longer);
    if (longer <= balance && factor > best) [wanted, best] = [count, factor];
  }
  return wanted;
}

/** Expected number of accepted tokens: a token counts only if all before it are accepted. */
export function expectedAccepted(acceptance: number, count: number): number {
  let [sum, likely] = [0, 1];
  for (let i = 0; i < count; i += 1) sum += likely *= acceptance;
  return sum;
}

/** The acceptance after a drafted token turned out to be right or wrong. */
export const acceptanceAfter = (acceptance: number, isRight: boolean): number =>
  acceptance + SMOOTHING * (Number(isRight) - acceptance);

/** A bad record is forgotten slowly, so that an answer that has stopped drafting tries again. */
export const forgotten = (acceptance: number): number =>
  acceptance + FORGETTING * Math.max(0, FIRST_ACCEPTANCE - acceptance);

/** The balance after a step with drafts. */
export const balanceAfterDrafts = (
  balance: number,
  { accepted, delay }: { accepted: number; delay: number },
): number => Math.min(MOST_BALANCE, balance + accepted - delay);

/** The balance after a step without drafts. */
export const balanceAfterPlainStep = (balance: number): number =>
  Math.min(MOST_BALANCE, balance + ALLOWANCE);
