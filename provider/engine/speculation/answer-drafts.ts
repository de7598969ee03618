import {
  afterToken,
  type Delay,
  type DraftAccount,
  draftsWanted,
  newAccount,
} from './draft-account.ts';
import type { DraftSource } from './draft-source.ts';

/** The drafts of one running answer, and how often they were right. */
export class AnswerDrafts {
  readonly source: DraftSource;
  account: DraftAccount = newAccount;
  /** The last drafted tokens that no chosen token was compared with yet. */
  #guess: readonly number[] = [];
  /** The place of the first of them in the text. */
  #from = 0;

  constructor(source: DraftSource) {
    this.source = source;
  }

  /** Returns at most `most` tokens that may follow `tokens`, and none if they would cost too much. */
  async draft(
    tokens: readonly number[],
    { delay, most }: { delay: Delay; most: number },
  ): Promise<readonly number[]> {
    this.#compare(tokens);
    const wanted = draftsWanted(this.account, { delay, most });
    if (wanted === 0 && !(this.source.isCheap && this.#guess.length === 0)) return [];
    const drafted = await this.source.draft(tokens, wanted === 0 ? most : wanted);
    this.#guess = drafted;
    this.#from = tokens.length;
    return drafted.slice(0, wanted);
  }

  /** Compares the last draft with the tokens that were chosen since. */
  #compare(tokens: readonly number[]): void {
    for (; this.#guess.length > 0 && this.#from < tokens.length; this.#from += 1) {
      const [token, ...rest] = this.#guess;
      const isRight = token === tokens[this.#from];
      this.account = afterToken(this.account, isRight);
      this.#guess = isRight ? rest : [];
    }
  }
}
