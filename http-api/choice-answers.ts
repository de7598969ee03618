import type { ServerResponse } from 'node:http';
import type { Answer } from './answer.ts';
import { Collection, readablePiece } from './collection.ts';
import type { AttemptEnd } from './core/attempt-end.ts';
import type { Piece } from './core/piece.ts';
import { sumOfEnds } from './core/sum-of-ends.ts';
import type { AnswerHead, ChoiceFormat, ChoiceWriter, Surface } from './core/surfaces/surface.ts';
import type { ApiError } from './errors.ts';
import { evidenceHeaders } from './evidence-headers.ts';
import { Heartbeat } from './heartbeat.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { EVENT_STREAM, endWithin, sendError, sendJson } from './respond.ts';

/**
 * Answers with several choices. Each choice is a job of its own, with its own machine, charge and
 * end. The first one begins alone: while it has not begun, its error is the error of the request.
 * After that, a choice that fails has the finish reason `error`, and the others go on.
 */

export interface ChoicesOptions {
  readonly response: ServerResponse;
  readonly surface: Surface;
  readonly format: ChoiceFormat;
  /** One for each choice, in the order of their index. */
  readonly heads: readonly AnswerHead[];
  readonly requestId: string;
  /** Called once, when the first choice has begun: the others may start. */
  readonly onBegun: () => void;
}

/** The part that streams and whole answers share: which choices have begun, ended and failed. */
abstract class Choices {
  protected readonly options: ChoicesOptions;
  /** The ends of the choices that did not fail. */
  protected readonly ends: AttemptEnd[] = [];
  protected evidence: Record<string, string> = {};
  protected failure: ApiError | undefined;
  #open: number;
  #hasBegun = false;

  constructor(options: ChoicesOptions) {
    this.options = options;
    this.#open = options.heads.length;
  }

  /** The answer of the choice with this index. */
  of(index: number): Answer {
    const fail = (error: ApiError) => this.#fail(index, error);
    return {
      serving: (details) => {
        // Headers name the machine of the first choice.
        if (index === 0) this.evidence = evidenceHeaders(details);
      },
      write: (pieces) => {
        this.#begin();
        return this.write(index, pieces);
      },
      discard: () => this.discard(index),
      finish: (end) => {
        this.#begin();
        this.ends.push(end);
        this.#over(this.finish(index, end));
      },
      reject: fail,
      cut: fail,
    };
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.options.onBegun();
  }

  #fail(index: number, error: ApiError): void {
    this.failure ??= error;
    // Without a first choice, the others are not tried.
    if (!this.#hasBegun) return this.refuse(error);
    this.#over(this.fail(index, error));
  }

  #over(text: string): void {
    this.#open -= 1;
    this.ended(text, this.#open === 0);
  }

  protected refuse(error: ApiError): void {
    const { response, surface, requestId } = this.options;
    sendError(response, error, surface.error(error, requestId));
  }

  protected abstract write(index: number, pieces: readonly Piece[]): ReturnType<Answer['write']>;
  protected abstract discard(index: number): void;
  /** Ends a choice, and returns the events for it. */
  protected abstract finish(index: number, end: AttemptEnd): string;
  protected abstract fail(index: number, error: ApiError): string;
  /** Called with the events of a choice that has ended; `isLast` if none is left. */
  protected abstract ended(text: string, isLast: boolean): void;
}

/** Sends the chunks of all choices in one event stream, each with the index of its choice. */
export class StreamedChoices extends Choices {
  readonly #writers: readonly ChoiceWriter[];
  readonly #heartbeatMs: number;
  #heartbeat: Heartbeat | undefined;

  constructor(options: ChoicesOptions, heartbeatMs: number) {
    super(options);
    this.#writers = options.heads.map((head) => options.format.stream(head));
    this.#heartbeatMs = heartbeatMs;
  }

  protected write(index: number, pieces: readonly Piece[]): 'more' | 'wait' {
    const text = pieces.map((piece) => this.#writer(index).delta(readablePiece(piece))).join('');
    if (text === '') return 'more';
    this.#open();
    this.#heartbeat?.refresh();
    return this.options.response.write(text) ? 'more' : 'wait';
  }

  /** Does nothing: no provider can be replaced after the first content of a streamed choice. */
  protected discard(): void {}

  protected finish(index: number, end: AttemptEnd): string {
    return this.#writer(index).last(end);
  }

  protected fail(index: number, error: ApiError): string {
    return this.#writer(index).failed(error);
  }

  protected ended(text: string, isLast: boolean): void {
    const { response } = this.options;
    this.#open();
    if (!isLast) {
      response.write(text);
      return;
    }
    this.#heartbeat?.stop();
    const [writer] = this.#writers;
    const sum = sumOfEnds(this.ends);
    // As with one choice, an answer without an end has an error event and no `[DONE]`.
    const close =
      sum === undefined ? this.failure && writer?.cut(this.failure) : writer?.close(sum);
    endWithin(response, text + (close ?? ''));
  }

  #open(): void {
    const { response } = this.options;
    if (response.headersSent) return;
    response.writeHead(200, { ...EVENT_STREAM, ...this.evidence });
    this.#heartbeat = new Heartbeat(response, this.#heartbeatMs);
  }

  #writer(index: number): ChoiceWriter {
    return this.#writers[index] as ChoiceWriter;
  }
}

/** Collects all choices and sends them as one JSON object. */
export class WholeChoices extends Choices {
  readonly #collections: readonly Collection[];
  readonly #choices: object[] = [];

  constructor(options: ChoicesOptions, memory: MemoryBudget) {
    super(options);
    this.#collections = options.heads.map(() => new Collection(memory));
    options.response.once('close', () => {
      for (const collection of this.#collections) collection.clear();
    });
  }

  protected write(index: number, pieces: readonly Piece[]): 'more' | 'full' {
    return this.#collection(index).add(pieces);
  }

  protected discard(index: number): void {
    this.#collection(index).clear();
  }

  protected finish(index: number, end: AttemptEnd): string {
    const { format, heads } = this.options;
    const content = { ...this.#collection(index).take(), end };
    this.#choices[index] = format.choice(heads[index] as AnswerHead, content);
    return '';
  }

  protected fail(index: number, error: ApiError): string {
    this.#collection(index).clear();
    this.#choices[index] = this.options.format.failed(error, index);
    return '';
  }

  protected ended(_text: string, isLast: boolean): void {
    if (!isLast) return;
    const { response, format, heads } = this.options;
    const sum = sumOfEnds(this.ends);
    if (sum === undefined) {
      if (this.failure) this.refuse(this.failure);
      return;
    }
    const body = format.whole(heads[0] as AnswerHead, this.#choices, sum);
    sendJson(response, 200, JSON.stringify(body), this.evidence);
  }

  #collection(index: number): Collection {
    return this.#collections[index] as Collection;
  }
}
