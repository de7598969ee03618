import { AnswerDrafts } from './answer-drafts.ts';
import {
  balanceAfterDrafts,
  balanceAfterPlainStep,
  type Delay,
  expectedAccepted,
  FIRST_BALANCE,
  MOST_BALANCE,
} from './draft-account.ts';
import type { DraftSource, KeptStates } from './draft-source.ts';
import { StepTimes } from './step-times.ts';

/** Maximum number of tokens that are drafted for one answer at once. */
const MOST_DRAFTED = 8;
/** What the drafts of other answers may cost an answer in a step, in plain steps. */
const TOLERATED_DELAY = 0.02;

/** A running answer in the next step. */
interface Answer {
  readonly drafts: AnswerDrafts;
  readonly tokens: readonly number[];
  /** Maximum number of tokens that may be drafted for it. */
  readonly most: number;
  readonly kept?: KeptStates | undefined;
}

/** An answer after a step. */
interface AnsweredPart {
  readonly drafts: AnswerDrafts;
  /** Number of drafted tokens that were chosen. */
  readonly accepted: number;
  /** Number of its tokens in the step. */
  readonly tokens: number;
}

/**
 * Decides in each step how many tokens are drafted for which answers.
 *
 * Two rules keep answers from becoming slower than without drafts: each answer pays for its drafts from
 * its own account, and drafts are left out or shortened if they would delay any answer of the same step
 * by more than they are expected to gain for it.
 */
export class Speculation {
  readonly #times: StepTimes;
  /**
   * What earlier answers gained, with which the next one may begin to draft; or what they lost, which
   * later ones have less, until it is paid off.
   */
  #reserve = 0;

  /** `perTokenMs` is what a further token adds to a step until it is measured. */
  constructor(perTokenMs: number) {
    this.#times = new StepTimes(perTokenMs);
  }

  begin(sources: readonly DraftSource[]): AnswerDrafts {
    const balance = FIRST_BALANCE + this.#reserve;
    // Gains are given away once. Losses stay, so that answers that begin together all have less.
    this.#reserve = Math.min(0, this.#reserve);
    return new AnswerDrafts(sources, balance);
  }

  end({ balance, firstBalance }: AnswerDrafts): void {
    const left = this.#reserve + balance - firstBalance;
    this.#reserve = Math.max(-FIRST_BALANCE, Math.min(MOST_BALANCE, left));
  }

  /** Returns the drafted tokens of each answer, at most `room` tokens together. */
  async draft(answers: readonly Answer[], room: number): Promise<(readonly number[])[]> {
    const plain = this.#times.plain(answers.length);
    if (plain === undefined) return answers.map(() => []);
    const { delay, plainMs } = plain;
    const drafted = await Promise.all(
      answers.map(({ drafts, tokens, most, kept }) =>
        drafts.draft(tokens, { delay, plainMs, most: Math.min(most, MOST_DRAFTED), kept }),
      ),
    );
    return withoutDelay(drafted, { answers, delay, room });
  }

  /** `tookMs` is undefined if the step also read prompts, whose time cannot be separated. */
  took(parts: readonly AnsweredPart[], tookMs: number | undefined): void {
    const extra = parts.reduce((sum, { tokens }) => sum + tokens - 1, 0);
    if (tookMs !== undefined)
      this.#times.measured(parts.length + extra, { tookMs, hasDrafts: extra > 0 });
    const delay = this.#times.plain(parts.length)?.delay(extra) ?? 0;
    for (const { drafts, accepted, tokens } of parts) {
      if (tokens > 1) drafts.balance = balanceAfterDrafts(drafts.balance, { accepted, delay });
      else {
        drafts.balance = balanceAfterPlainStep(drafts.balance);
        drafts.forget();
      }
    }
  }
}

/** Shortens drafts until they delay no answer of the step and fit into it. */
function withoutDelay(
  drafted: readonly (readonly number[])[],
  { answers, delay, room }: { answers: readonly Answer[]; delay: Delay; room: number },
): (readonly number[])[] {
  for (let most = MOST_DRAFTED; most > 0; most -= 1) {
    const shortened = drafted.map((draft) => draft.slice(0, most));
    const total = shortened.reduce((sum, { length }) => sum + length, 0);
    if (total > room) continue;
    const longer = delay(total);
    const isGood = answers.every(({ drafts: { account } }, i) => {
      const { length } = shortened[i] as readonly number[];
      return length === 0
        ? longer <= TOLERATED_DELAY
        : longer <= Math.min(account.balance, expectedAccepted(account.acceptance, length));
    });
    if (isGood) return shortened;
  }
  return drafted.map(() => []);
}
