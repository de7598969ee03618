import {
  afterDrafts,
  afterPlainStep,
  type DraftAccount,
  draftsWanted,
  expectedAccepted,
  newAccount,
} from './draft-account.ts';
import type { DraftSource } from './draft-source.ts';
import { StepTimes } from './step-times.ts';

/** Maximum number of tokens that are drafted for one answer at once. */
const MOST_DRAFTED = 8;
/** What the drafts of other answers may cost an answer in a step, in plain steps. */
const TOLERATED_DELAY = 0.02;

/** The drafts of one running answer. */
export class AnswerDrafts {
  readonly source: DraftSource;
  account: DraftAccount = newAccount;

  constructor(source: DraftSource) {
    this.source = source;
  }
}

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
  readonly drafted: number;
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
  drafted = 0;
  accepted = 0;

  /** `perTokenMs` is what a further token adds to a step until it is measured. */
  constructor(perTokenMs: number) {
    this.#times = new StepTimes(perTokenMs);
  }

  /** Returns the drafted tokens of each answer, at most `room` tokens together. */
  async draft(answers: readonly Answer[], room: number): Promise<(readonly number[])[]> {
    const plainMs = this.#times.plainMs(answers.length);
    if (plainMs === undefined) return answers.map(() => []);
    const perToken = this.#times.perToken(plainMs);
    const drafts = await Promise.all(
      answers.map(({ drafts: { account, source }, tokens, most }) => {
        const wanted = draftsWanted(account, { perToken, most: Math.min(most, MOST_DRAFTED) });
        return wanted > 0 ? source.draft(tokens, wanted) : [];
      }),
    );
    const accounts = answers.map(({ drafts: { account } }) => account);
    return withoutDelay(drafts, { accounts, perToken, room });
  }

  /** `tookMs` is undefined if the step also read prompts, whose time cannot be separated. */
  took(parts: readonly AnsweredPart[], tookMs: number | undefined): void {
    const answers = parts.length;
    const extraTokens = parts.reduce((sum, { tokens }) => sum + tokens - 1, 0);
    const plainMs = this.#times.plainMs(answers);
    if (tookMs !== undefined) this.#times.measured({ answers, extraTokens, tookMs });
    if (plainMs === undefined) return;
    const took =
      tookMs === undefined
        ? extraTokens * this.#times.perToken(plainMs)
        : (tookMs - plainMs) / plainMs;
    for (const { drafts, drafted, accepted, tokens } of parts) {
      this.drafted += drafted;
      this.accepted += accepted;
      drafts.account =
        tokens > 1
          ? afterDrafts(drafts.account, { drafted, accepted, took })
          : afterPlainStep(drafts.account);
    }
  }
}

/** Shortens drafts until they delay no answer of the step and fit into it. */
function withoutDelay(
  drafts: readonly (readonly number[])[],
  {
    accounts,
    perToken,
    room,
  }: { accounts: readonly DraftAccount[]; perToken: number; room: number },
): (readonly number[])[] {
  for (let most = MOST_DRAFTED; most > 0; most -= 1) {
    const shortened = drafts.map((draft) => draft.slice(0, most));
    const total = shortened.reduce((sum, { length }) => sum + length, 0);
    const delay = total * perToken;
    const isGood = accounts.every(({ acceptance, balance }, i) => {
      const { length } = shortened[i] as readonly number[];
      return length === 0
        ? delay <= TOLERATED_DELAY
        : delay <= Math.min(balance, expectedAccepted(acceptance, length));
    });
    if (total <= room && isGood) return shortened;
  }
  return drafts.map(() => []);
}
