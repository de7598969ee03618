import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { type CounterOf, counter } from '#observability';

const FORGET_MS = 60_000;

/**
 * Counts connections that hubs refused because their machine is already connected, and logs each
 * machine at most once a minute.
 */
export class SecondConnections implements Disposable {
  readonly #log: Logger;
  readonly #refused: CounterOf<'dinf_trust_second_connections_total'>;
  readonly #timer: NodeJS.Timeout;
  /** Machines that were logged since the last minute began; at most all enrolled ones. */
  readonly #logged = new Set<string>();

  constructor({ log, metrics }: { log: Logger; metrics: Registry }) {
    this.#log = log;
    this.#refused = counter(metrics, 'dinf_trust_second_connections_total');
    this.#timer = setInterval(() => this.#logged.clear(), FORGET_MS);
  }

  refused(provider: string): void {
    this.#refused.inc();
    if (this.#logged.has(provider)) return;
    this.#logged.add(provider);
    this.#log.warn(
      { provider },
      'a hub refused a second connection of this machine: its previous hub has just ended, or its credentials were copied',
    );
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
