import { setTimeout as delay } from 'node:timers/promises';
import { readStream } from '../read-stream.ts';
import type { TestNetwork } from '../test-network.ts';

const COUNTED = Array.from({ length: 30 }, (_, index) => index + 1).join(', ');
const CLIENTS = 3;
/** Pause of a client between two requests, in milliseconds. */
const PAUSE_MS = 300;

export interface FlowReport {
  /** Requests that were answered completely. */
  readonly whole: number;
  /** Requests whose answer had begun, and ended with one error event. */
  readonly cut: number;
  /**
   * Requests for which no machine had room, for example because other programs took the memory of
   * this computer: they were refused before a job began.
   */
  readonly refused: number;
  /** Everything else: no request may end so. */
  readonly lost: readonly unknown[];
}

/**
 * Clients that ask the tiny model to count, one request after the other. One machine answers all of
 * them as long as it can.
 */
export class RequestFlow implements AsyncDisposable {
  readonly #network: TestNetwork;
  readonly #provider: string;
  readonly #clients: readonly Promise<void>[];
  readonly #lost: unknown[] = [];
  #whole = 0;
  #cut = 0;
  #refused = 0;
  #isOver = false;

  constructor(network: TestNetwork, provider: string) {
    this.#network = network;
    this.#provider = provider;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#run());
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#ask();
      await delay(PAUSE_MS);
    }
  }

  async #ask(): Promise<void> {
    const messages = [{ role: 'user', content: 'Count from 1 to 30.' }];
    const answer = await readStream(this.#network, {
      model: 'dinf-tiny',
      messages,
      max_tokens: 200,
      provider: { order: [this.#provider] },
    }).catch((error: unknown) => ({ status: 0, text: '', done: 0, errors: [String(error)] }));
    const { status, text, done, errors } = answer;
    if (status === 200 && done === 1 && errors.length === 0 && text === COUNTED) this.#whole += 1;
    else if (status === 200 && text.length > 0 && done === 0 && errors.length === 1) this.#cut += 1;
    else if (status === 429 && JSON.stringify(errors).includes('"saturated"')) this.#refused += 1;
    else this.#lost.push(answer);
  }

  /** Begins no further request. Resolves when all have ended. */
  async end(): Promise<FlowReport> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return { whole: this.#whole, cut: this.#cut, refused: this.#refused, lost: this.#lost };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
