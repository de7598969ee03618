import type { AnswerPart } from './format.ts';
import type { CallReader } from './marked-text-reader.ts';

/** A reader of calls that holds text back until its next step can read it. */
export abstract class CallSteps implements CallReader {
  calls = 0;
  rest: string | undefined;
  /** The text that is not read yet. */
  protected held = '';

  push(text: string): AnswerPart[] {
    this.held += text;
    const parts: AnswerPart[] = [];
    while (this.rest === undefined && this.step(parts));
    return parts;
  }

  end(): string {
    return this.calls === 0 ? this.held : '';
  }

  /** Reads a part of what is held. Returns false if further text must arrive first. */
  protected abstract step(parts: AnswerPart[]): boolean;

  /** The calls are over, and this text follows them. */
  protected finish(rest: string): boolean {
    this.rest = rest;
    return true;
  }
}
