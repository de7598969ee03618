import type { WebSocket } from 'ws';
import type { Answer } from '#http-api/answer.ts';
import type { AttemptEnd } from '#http-api/core/attempt-end.ts';
import type { Piece } from '#http-api/core/piece.ts';
import { eventData, type StreamWriter } from '#http-api/core/surfaces/surface.ts';
import type { ApiError } from '#http-api/errors.ts';

/** Unsent bytes above which the job must wait for its client. */
const FULL_BYTES = 256 * 1_024;

interface SocketAnswerOptions {
  readonly socket: WebSocket;
  readonly stream: StreamWriter;
  /** Called when the client has read what was sent after a `write` that returned `wait`. */
  readonly onReady: () => void;
  /** Receives the data of the last event of a complete answer, or undefined after an error. */
  readonly onEnd: (last: string | undefined) => void;
}

/** Sends the events of an answer as messages of a WebSocket. */
export class SocketAnswer implements Answer {
  readonly #options: SocketAnswerOptions;
  #isWaiting = false;

  constructor(options: SocketAnswerOptions) {
    this.#options = options;
  }

  /** Headers name the machine in other answers; a WebSocket has none after its opening. */
  serving(): void {}

  write(pieces: readonly Piece[]): 'more' | 'wait' {
    const { socket, stream } = this.#options;
    for (const piece of pieces) {
      if (piece.k === 'sealed') throw new TypeError('a sealed piece has no readable text');
      this.#send(stream.delta(piece));
    }
    this.#isWaiting = socket.bufferedAmount > FULL_BYTES;
    return this.#isWaiting ? 'wait' : 'more';
  }

  discard(): void {}

  finish(end: AttemptEnd): void {
    const { stream, onEnd } = this.#options;
    onEnd(this.#send(stream.finish(end)));
  }

  reject(error: ApiError): void {
    sendSocketError(this.#options.socket, error);
    this.#options.onEnd(undefined);
  }

  cut(error: ApiError): void {
    this.#send(this.#options.stream.cut(error));
    this.#options.onEnd(undefined);
  }

  /** Sends each event as one message. Returns the data of the last one. */
  #send(events: string): string | undefined {
    const { socket } = this.#options;
    const messages = eventData(events);
    for (const message of messages) socket.send(message, () => this.#sent());
    return messages.at(-1);
  }

  #sent(): void {
    const { socket, onReady } = this.#options;
    if (!this.#isWaiting || socket.bufferedAmount > FULL_BYTES / 2) return;
    this.#isWaiting = false;
    onReady();
  }
}

export function sendSocketError(socket: WebSocket, error: ApiError): void {
  const { error: body } = error.toBody();
  socket.send(JSON.stringify({ type: 'error', status: error.status, error: body }));
}
