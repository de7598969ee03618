import type { AnswerPart } from './format.ts';

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
