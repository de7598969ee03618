import type { AnswerDrafts } from './answer-drafts.ts';
import { afterDrafts, afterPlainStep, type Delay, expectedAccepted } from './draft-account.ts';
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

  /** `perTokenMs` is what a further token adds to a step until it is measured. */
  constructor(perTokenMs: number) {
    this.#times = new StepTimes(perTokenMs);
  }

  /** Returns the drafted tokens of each answer, at most `room` tokens together. */
  async draft(answers: readonly Answer[], room: number): Promise<(readonly number[])[]> {
    const delay = this.#times.delayAfter(answers.length);
    if (delay === undefined) return answers.map(() => []);
    const drafted = await Promise.all(
      answers.map(({ drafts, tokens, most }) =>
        drafts.draft(tokens, { delay, most: Math.min(most, MOST_DRAFTED) }),
      ),
    );
    return withoutDelay(drafted, { answers, delay, room });
  }

  /** `tookMs` is undefined if the step also read prompts, whose time cannot be separated. */
  took(parts: readonly AnsweredPart[], tookMs: number | undefined): void {
    const extra = parts.reduce((sum, { tokens }) => sum + tokens - 1, 0);
    if (tookMs !== undefined)
      this.#times.measured(parts.length + extra, { tookMs, hasDrafts: extra > 0 });
    const delay = this.#times.delayAfter(parts.length)?.(extra) ?? 0;
    for (const { drafts, accepted, tokens } of parts)
      drafts.account =
        tokens > 1
          ? afterDrafts(drafts.account, { accepted, delay })
          : afterPlainStep(drafts.account);
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
