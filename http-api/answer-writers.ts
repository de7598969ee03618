import type { ServerResponse } from 'node:http';
import type { PrintedReceipt } from '#bus-schemas';
import type { Answer, ServingDetails } from './answer.ts';
import { Collection, readablePiece } from './collection.ts';
import type { AttemptEnd } from './core/attempt-end.ts';
import { LongJson } from './core/long-json.ts';
import type { Piece } from './core/piece.ts';
import type { AnswerHead, StreamWriter, Surface } from './core/surfaces/surface.ts';
import type { ApiError } from './errors.ts';
import { evidenceHeaders } from './evidence-headers.ts';
import { Heartbeat } from './heartbeat.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { EVENT_STREAM, endWithin, sendError, sendJson, sendLongJson } from './respond.ts';

interface WholeOptions {
  readonly response: ServerResponse;
  readonly surface: Pick<Surface, 'whole' | 'error'>;
  readonly head: AnswerHead;
  readonly requestId: string;
}

interface AnswerOptions extends WholeOptions {
  readonly surface: Surface;
}

interface StreamHooks {
  /** Returns the receipt that is sent before the end of the stream. */
  readonly receipt?: (() => Promise<PrintedReceipt | undefined>) | undefined;
  /**
   * Receives the last events, or undefined if an error is sent instead of a stream. The client gets
   * them after the promise settles.
   */
  readonly beforeEnd?: ((lastEvents: string | undefined) => Promise<void>) | undefined;
}

/**
 * Sends an answer as server-sent events. Nothing is sent before the first content, so that an error
 * can still have its own status code until then.
 */
export class StreamAnswer implements Answer {
  readonly #options: AnswerOptions;
  readonly #stream: StreamWriter;
  readonly #heartbeatMs: number;
  #evidence: Record<string, string> = {};
  #heartbeat: Heartbeat | undefined;

  readonly #hooks: StreamHooks;

  /** `heartbeatMs` of 0 sends no heartbeats. */
  constructor(options: AnswerOptions, heartbeatMs: number, hooks: StreamHooks = {}) {
    this.#options = options;
    this.#hooks = hooks;
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
    for (const piece of pieces) text += this.#stream.delta(readablePiece(piece));
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
    const { receipt, beforeEnd } = this.#hooks;
    if (receipt === undefined && beforeEnd === undefined) return this.#end(last);
    void Promise.all([receipt?.(), beforeEnd?.(last)]).then(([printed]) =>
      this.#end(
        `${printed === undefined ? '' : `event: receipt\ndata: ${JSON.stringify(printed)}\n\n`}${last}`,
      ),
    );
  }

  reject(error: ApiError): void {
    this.#before(undefined, () => refuse(this.#options, error));
  }

  cut(error: ApiError): void {
    const last = this.#stream.cut(error);
    this.#before(last, () => this.#end(last));
  }

  #before(last: string | undefined, send: () => void): void {
    const { beforeEnd } = this.#hooks;
    if (beforeEnd === undefined) return send();
    void beforeEnd(last).then(send);
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
    this.#heartbeat = new Heartbeat(response, this.#heartbeatMs);
  }

  #end(last: string): void {
    this.#heartbeat?.stop();
    endWithin(this.#options.response, last);
  }
}

interface WholeHooks {
  /**
   * Receives the body of the answer, or undefined for an error. The client receives the answer after
   * the promise settles.
   */
  readonly beforeEnd?: ((body: string | undefined) => Promise<void>) | undefined;
  /** Whether the answer is collected to its end even if the client leaves. */
  readonly outlivesClient?: boolean;
}

/** Collects an answer and sends it as one JSON object. */
export class WholeAnswer implements Answer {
  readonly #options: WholeOptions;
  readonly #beforeEnd: WholeHooks['beforeEnd'];
  readonly #collection: Collection;
  #evidence: Record<string, string> = {};

  constructor(
    options: WholeOptions,
    memory: MemoryBudget,
    { beforeEnd, outlivesClient = false }: WholeHooks = {},
  ) {
    this.#options = options;
    this.#collection = new Collection(memory);
    if (!outlivesClient) options.response.once('close', () => this.#collection.clear());
    this.#beforeEnd = beforeEnd;
  }

  serving(evidence: ServingDetails): void {
    this.#evidence = evidenceHeaders(evidence);
  }

  write(pieces: readonly Piece[]): 'more' | 'full' {
    return this.#collection.add(pieces);
  }

  discard(): void {
    this.#collection.clear();
  }

  finish(end: AttemptEnd): void {
    const { surface, head, response } = this.#options;
    const whole = surface.whole(head, { ...this.#collection.whole(), end });
    if (whole instanceof LongJson) {
      void sendLongJson(response, 200, whole, this.#evidence).finally(() =>
        this.#collection.clear(),
      );
      return;
    }
    const body = JSON.stringify(whole);
    this.#collection.clear();
    this.#endThen(body, () => sendJson(response, 200, body, this.#evidence));
  }

  reject(error: ApiError): void {
    this.#collection.clear();
    this.#endThen(undefined, () => refuse(this.#options, error));
  }

  #endThen(body: string | undefined, send: () => void): void {
    if (this.#beforeEnd === undefined) return send();
    void this.#beforeEnd(body).finally(send);
  }

  cut(error: ApiError): void {
    this.reject(error);
  }
}

function refuse({ response, surface, requestId }: WholeOptions, error: ApiError): void {
  sendError(response, error, surface.error(error, requestId));
}
