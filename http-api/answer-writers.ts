import type { ServerResponse } from 'node:http';
import type { Delta, PrintedReceipt } from '#bus-schemas';
import type { Answer, ServingDetails } from './answer.ts';
import type { AttemptEnd } from './core/attempt-end.ts';
import type { Piece } from './core/piece.ts';
import {
  type AnswerHead,
  Gathering,
  type StreamWriter,
  type Surface,
} from './core/surfaces/surface.ts';
import type { ApiError } from './errors.ts';
import { evidenceHeaders } from './evidence-headers.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { EVENT_STREAM, endWithin, sendError, sendJson } from './respond.ts';

interface AnswerOptions {
  readonly response: ServerResponse;
  readonly surface: Surface;
  readonly head: AnswerHead;
  readonly requestId: string;
}

/**
 * A comment of the event stream, which all clients skip. It is sent while there is no content, so
 * that proxies do not close the connection as idle.
 */
const HEARTBEAT = ': still working\n\n';

/**
 * Sends an answer as server-sent events. Nothing is sent before the first content, so that an error
 * can still have its own status code until then.
 */
export class StreamAnswer implements Answer {
  readonly #options: AnswerOptions;
  readonly #stream: StreamWriter;
  readonly #heartbeatMs: number;
  #evidence: Record<string, string> = {};
  #heartbeat: NodeJS.Timeout | undefined;

  readonly #receipt: (() => Promise<PrintedReceipt | undefined>) | undefined;

  /**
   * `heartbeatMs` of 0 sends no heartbeats. `receipt`, if given, is called before the end of the
   * stream.
   */
  constructor(
    options: AnswerOptions,
    heartbeatMs: number,
    receipt?: () => Promise<PrintedReceipt | undefined>,
  ) {
    this.#options = options;
    this.#receipt = receipt;
    this.#stream = options.surface.stream(options.head);
    // A heartbeat is a comment, which only server-sent events have.
    this.#heartbeatMs = options.surface.streamType === undefined ? heartbeatMs : 0;
  }

  serving(evidence: ServingDetails): void {
    this.#evidence = evidenceHeaders(evidence);
  }

  write(pieces: readonly Piece[]): 'more' | 'wait' {
    this.#begin();
    let text = '';
    for (const piece of pieces) text += this.#stream.delta(readable(piece));
    if (text === '') return 'more';
    this.#heartbeat?.refresh();
    return this.#options.response.write(text) ? 'more' : 'wait';
  }

  /**
   * Does nothing: no provider can be replaced after the first content of a stream, so no written
   * content is ever discarded.
   */
  discard(): void {}

  finish(end: AttemptEnd): void {
    this.#begin();
    const last = this.#stream.finish(end);
    if (this.#receipt === undefined) return this.#end(last);
    void this.#receipt().then((receipt) =>
      this.#end(
        `${receipt === undefined ? '' : `event: receipt\ndata: ${JSON.stringify(receipt)}\n\n`}${last}`,
      ),
    );
  }

  reject(error: ApiError): void {
    refuse(this.#options, error);
  }

  cut(error: ApiError): void {
    this.#end(this.#stream.cut(error));
  }

  #begin(): void {
    const { response } = this.#options;
    if (response.headersSent) return;
    const { streamType } = this.#options.surface;
    response.writeHead(200, {
      ...EVENT_STREAM,
      ...(streamType && { 'content-type': streamType }),
      ...this.#evidence,
    });
    if (this.#heartbeatMs === 0) return;
    this.#heartbeat = setInterval(() => this.#beat(), this.#heartbeatMs).unref();
    response.once('close', () => clearInterval(this.#heartbeat));
  }

  /**
   * Sends a heartbeat if the client has read everything that was written: unread bytes keep the
   * connection busy.
   */
  #beat(): void {
    const { response } = this.#options;
    if (response.writableLength === 0) response.write(HEARTBEAT);
  }

  #end(last: string): void {
    clearInterval(this.#heartbeat);
    endWithin(this.#options.response, last);
  }
}

/** Collects an answer and sends it as one JSON object. */
export class WholeAnswer implements Answer {
  readonly #options: AnswerOptions;
  readonly #onEnd: ((body: string | undefined) => Promise<void>) | undefined;
  readonly #memory: MemoryBudget;
  #gathered = new Gathering();
  /** Bytes that this answer has taken from the memory budget. */
  #bytes = 0;
  #evidence: Record<string, string> = {};

  /**
   * `onEnd` receives the body of the answer, or undefined for an error. The client receives the
   * answer after the promise settles. With `onEnd`, the answer is collected to its end even if the
   * client leaves.
   */
  constructor(
    options: AnswerOptions,
    memory: MemoryBudget,
    onEnd?: (body: string | undefined) => Promise<void>,
  ) {
    this.#options = options;
    this.#memory = memory;
    if (onEnd === undefined) options.response.once('close', () => this.#forget());
    this.#onEnd = onEnd;
  }

  serving(evidence: ServingDetails): void {
    this.#evidence = evidenceHeaders(evidence);
  }

  write(pieces: readonly Piece[]): 'more' | 'full' {
    for (const piece of pieces) {
      const delta = readable(piece);
      const bytes = heapBytes(delta);
      if (!this.#memory.take(bytes)) return 'full';
      this.#bytes += bytes;
      this.#gathered.add(delta);
    }
    return 'more';
  }

  discard(): void {
    this.#forget();
  }

  #forget(): void {
    this.#gathered = new Gathering();
    this.#memory.give(this.#bytes);
    this.#bytes = 0;
  }

  finish(end: AttemptEnd): void {
    const { surface, head, response } = this.#options;
    const body = JSON.stringify(surface.whole(head, { ...this.#gathered.whole(), end }));
    this.#forget();
    this.#endThen(body, () => sendJson(response, 200, body, this.#evidence));
  }

  reject(error: ApiError): void {
    this.#forget();
    this.#endThen(undefined, () => refuse(this.#options, error));
  }

  #endThen(body: string | undefined, send: () => void): void {
    if (this.#onEnd === undefined) return send();
    void this.#onEnd(body).finally(send);
  }

  cut(error: ApiError): void {
    this.reject(error);
  }
}

/**
 * Estimated heap size of a piece, in bytes: two for each character, and an object for each part.
 */
function heapBytes(delta: Delta): number {
  const entries =
    delta.k === 'text'
      ? (delta.logprobs ?? []).reduce((sum, { top }) => sum + 1 + top.length, 0)
      : 0;
  return OBJECT_BYTES + 2 * delta.text.length + entries * OBJECT_BYTES;
}

const OBJECT_BYTES = 160;

/**
 * The delta of a piece. Sealed pieces never come here: only their client can read them, and such
 * answers are not converted.
 */
function readable(piece: Piece): Delta {
  if (piece.k === 'sealed') throw new TypeError('a sealed part of an answer has no readable text');
  return piece;
}

function refuse({ response, surface, requestId }: AnswerOptions, error: ApiError): void {
  sendError(response, error, surface.error(error, requestId));
}
