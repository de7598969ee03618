import {
  acceptanceAfter,
  type Delay,
  type DraftAccount,
  draftsWanted,
  FIRST_ACCEPTANCE,
  forgotten,
} from './draft-account.ts';
import type { DraftSource, KeptStates } from './draft-source.ts';

/** How often the drafts of one source were right in an answer. */
class SourceRecord {
  readonly source: DraftSource;
  acceptance = FIRST_ACCEPTANCE;
  /** The last drafted tokens that no chosen token was compared with yet. */
  guess: readonly number[] = [];
  /** The place of the first of them in the text. */
  from = 0;

  constructor(source: DraftSource) {
    this.source = source;
  }

  async draft(
    tokens: readonly number[],
    most: number,
    kept: KeptStates | undefined,
  ): Promise<readonly number[]> {
    this.guess = await this.source.draft(tokens, most, kept);
    this.from = tokens.length;
    return this.guess;
  }

  /** Compares the last draft with the tokens that were chosen since. */
  compare(tokens: readonly number[]): void {
    for (; this.guess.length > 0 && this.from < tokens.length; this.from += 1) {
      const [token, ...rest] = this.guess;
      const isRight = token === tokens[this.from];
      this.acceptance = acceptanceAfter(this.acceptance, isRight);
      this.guess = isRight ? rest : [];
    }
  }
}

interface DraftLimits {
  /** What the verification of drafts adds to the step. */
  readonly delay: Delay;
  /** Time of a step without drafts, in milliseconds. */
  readonly plainMs: number;
  readonly most: number;
  /** The states of the answer that the decoder kept of the last step. */
  readonly kept?: KeptStates | undefined;
}

/** The drafts of one running answer. */
export class AnswerDrafts {
  readonly #records: readonly SourceRecord[];
  #last: SourceRecord | undefined;
  /** What the drafts may cost before they have gained anything. */
  readonly firstBalance: number;
  /** That, with the tokens gained by drafts, minus the time that they took in plain steps. */
  balance: number;

  constructor(sources: readonly DraftSource[], balance: number) {
    this.#records = sources.map((source) => new SourceRecord(source));
    this.firstBalance = balance;
    this.balance = balance;
  }

  /** True if no draft takes time that counts. */
  get areCheap(): boolean {
    return this.#records.every(({ source }) => source.isCheap);
  }

  /** The account with the source of the last draft. */
  get account(): DraftAccount {
    return { acceptance: this.#last?.acceptance ?? 0, balance: this.balance };
  }

  /** Returns tokens that may follow `tokens`, and none if they would cost too much. */
  async draft(tokens: readonly number[], limits: DraftLimits): Promise<readonly number[]> {
    for (const record of this.#records) record.compare(tokens);
    for (const record of this.#records) {
      const drafted = await this.#draftFrom(record, tokens, limits);
      if (drafted.length === 0) continue;
      this.#last = record;
      return drafted;
    }
    return [];
  }

  async #draftFrom(
    record: SourceRecord,
    tokens: readonly number[],
    { delay, plainMs, most, kept }: DraftLimits,
  ): Promise<readonly number[]> {
    const { source, acceptance, guess } = record;
    const costOf = (count: number) => source.expectedMs(tokens, count, kept) / plainMs;
    const wanted = draftsWanted(
      { acceptance, balance: this.balance },
      { delay: (count) => delay(count) + costOf(count), most },
    );
    if (wanted === 0 && !(source.isCheap && guess.length === 0)) return [];
    this.balance -= costOf(wanted);
    const drafted = await record.draft(tokens, wanted === 0 ? most : wanted, kept);
    return drafted.slice(0, wanted);
  }

  forget(): void {
    for (const record of this.#records) record.acceptance = forgotten(record.acceptance);
  }
}
