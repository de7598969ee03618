import type { AnswerPart } from './answer-reader.ts';

/** What readers need to know whose structure is control tokens. */
export interface SignReaderOptions {
  readonly offersTools: boolean;
  /** True if the prompt ended within the text of an answer. */
  readonly continues: boolean;
  /** True if the prompt ended where reasoning begins. */
  readonly thinksFirst: boolean;
}

/** The text of an answer. White space before its beginning belongs to the control tokens. */
export class AnswerText {
  #isBegun: boolean;

  constructor(isBegun: boolean) {
    this.#isBegun = isBegun;
  }

  read(text: string): AnswerPart[] {
    const shown = this.#isBegun ? text : text.trimStart();
    if (shown === '') return [];
    this.#isBegun = true;
    return [{ k: 'text', text: shown }];
  }

  /** The next text begins anew, after a tool call. */
  restart(): void {
    this.#isBegun = false;
  }
}
