import { readStream } from '../read-stream.ts';
import { expectedText, type TestNetwork } from '../test-network.ts';

const TOKENS = 5;
const messages = [{ role: 'user', content: 'Are you there?' }];
const chat = { model: 'sim-llama-8b', messages, max_tokens: TOKENS };

/** Time between two looks at the clock, in milliseconds; each begins the requests that are due. */
const TICK_MS = 10;

/** Short requests at a fixed rate, however slowly they are answered. */
export class SteadyLoad {
  readonly #network: TestNetwork;
  readonly #perSecond: number;
  readonly #since = performance.now();
  readonly #failures: unknown[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #requests = 0;

  constructor(network: TestNetwork, perSecond: number) {
    this.#network = network;
    this.#perSecond = perSecond;
    this.#timer = setInterval(() => this.#beginDue(), TICK_MS);
  }

  #beginDue(): void {
    const due = ((performance.now() - this.#since) / 1_000) * this.#perSecond;
    for (; this.#requests < due; this.#requests += 1) {
      const request = this.#ask().finally(() => this.#open.delete(request));
      this.#open.add(request);
    }
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
