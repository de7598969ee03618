import type { Logger } from 'pino';
import { events, TrustHead } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { TransparencyLog } from './transparency-log.ts';

const CHECK_MS = 2_000;

export interface HeadPublisherOptions {
  readonly bus: Bus;
  readonly transparency: TransparencyLog;
  readonly log: Logger;
}

/**
 * Publishes the signed head on the bus whenever the log has grown. Subscribers get the same heads
 * as programs that request them, so a log that shows different heads to different readers can be
 * detected.
 */
export class HeadPublisher implements Disposable {
  readonly #options: HeadPublisherOptions;
  readonly #timer: NodeJS.Timeout;
  #publishedSize = 0;

  constructor(options: HeadPublisherOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#publishIfGrown(), CHECK_MS);
  }

  async #publishIfGrown(): Promise<void> {
    const { bus, transparency, log } = this.#options;
    try {
      if ((await transparency.size()) === this.#publishedSize) return;
      const head = await transparency.head();
      this.#publishedSize = head.size;
      bus.emit(events.trustHead, TrustHead, head, `head:${head.size}`);
    } catch (error) {
      log.warn(
        { err: error },
        'the head of the transparency log could not be published; trust tries again in 2 s',
      );
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
