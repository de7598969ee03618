import { setTimeout as delay } from 'node:timers/promises';
import { SeededNumbers } from '#world/virtual/seeded-numbers.ts';
import { type ClientBook, isServed } from './client-book.ts';

export interface LoadOptions {
  readonly book: ClientBook;
  readonly ingresses: ReadonlyMap<string, string>;
  readonly apiKey: string;
  readonly seed: number;
  readonly clients: number;
  /** Longest pause of a client between two requests, in milliseconds. */
  readonly pauseMs: number;
}

const SHORTEST_TOKENS = 5;
const LONGEST_TOKENS = 200;
/** Of these shares of the requests, the answer is streamed, and the client leaves early. */
const STREAMED = 0.75;
const LEAVES = 0.1;
const CHARACTERS_A_TOKEN = 5;
/** A client that was not served tries again after this time, in milliseconds. */
const AGAIN_MS = 300;

/** Clients who send one request after the other: streamed, whole, and some that leave early. */
export class Load implements AsyncDisposable {
  readonly #options: LoadOptions;
  readonly #stopping = new AbortController();
  readonly #clients: readonly Promise<void>[];

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: options.clients }, (_, index) => this.#ask(index));
  }

  async #ask(client: number): Promise<void> {
    const { book, ingresses, apiKey, seed, pauseMs } = this.#options;
    const numbers = new SeededNumbers(seed, `client ${client}`);
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const [ingress, url] = numbers.one([...ingresses]);
      const maxTokens = SHORTEST_TOKENS + numbers.integer(LONGEST_TOKENS - SHORTEST_TOKENS);
      const leaves = numbers.chance(LEAVES);
      const entry = await book.ask({
        ingress,
        url,
        apiKey,
        maxTokens,
        isStreamed: leaves || numbers.chance(STREAMED),
        leavesAfter: leaves ? numbers.integer(maxTokens * CHARACTERS_A_TOKEN) : undefined,
      });
      await pause(isServed(entry) ? numbers.between(0, pauseMs) : AGAIN_MS, signal);
    }
  }

  /** Begins no further request, and waits until all have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#clients);
  }
}

/** Waits; the signal ends the wait early. */
export async function pause(forMs: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(forMs, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
