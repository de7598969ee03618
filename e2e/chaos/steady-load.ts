import { readStream } from '../read-stream.ts';
import { expectedText, type TestNetwork } from '../test-network.ts';

const TOKENS = 5;
const messages = [{ role: 'user', content: 'Are you there?' }];
const chat = { model: 'sim-llama-8b', messages, max_tokens: TOKENS };

/** Short requests at a fixed rate, however slowly they are answered. */
export class SteadyLoad {
  readonly #network: TestNetwork;
  readonly #failures: unknown[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #requests = 0;

  constructor(network: TestNetwork, requestsPerSecond: number) {
    this.#network = network;
    this.#timer = setInterval(() => this.#begin(), 1_000 / requestsPerSecond);
  }

  #begin(): void {
    this.#requests += 1;
    const request = this.#ask().finally(() => this.#open.delete(request));
    this.#open.add(request);
  }

  async #ask(): Promise<void> {
    try {
      const answer = await readStream(this.#network, chat);
      const { status, text, done, errors } = answer;
      const isWhole = status === 200 && done === 1 && text === expectedText(messages, TOKENS);
      if (!isWhole || errors.length > 0) this.#failures.push(answer);
    } catch (error) {
      this.#failures.push(String(error));
    }
  }

  /** Begins no further request. Resolves when all have ended. */
  async end(): Promise<{ requests: number; failures: readonly unknown[] }> {
    clearInterval(this.#timer);
    await Promise.all(this.#open);
    return { requests: this.#requests, failures: this.#failures };
  }
}
