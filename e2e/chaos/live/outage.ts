import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBook } from './client-book.ts';

/** One small request that shows whether an ingress serves. */
export interface Probe {
  readonly ingress: string;
  readonly begunAt: number;
  /** Undefined while it is under way. */
  readonly endedAt?: number | undefined;
  readonly isServed?: boolean | undefined;
}

/** An ingress serves again when every request that was begun within so many milliseconds was served. */
export const STEADY_MS = 2_000;
const EVERY_MS = 250;
const TOKENS = 2;

/**
 * The end of the first request from which on the ingress served every request for `STEADY_MS`;
 * undefined as long as there is none. Requests that began before `since` do not count.
 */
export function servedFrom(
  probes: readonly Probe[],
  since: number,
  now: number,
): number | undefined {
  const after = probes.filter(({ begunAt }) => begunAt >= since);
  const lastBad = after.findLastIndex(
    ({ isServed, begunAt }) =>
      isServed === false || (isServed === undefined && now - begunAt > STEADY_MS),
  );
  const good = after.slice(lastBad + 1).filter(({ isServed }) => isServed === true);
  const [first] = good;
  if (first === undefined || now - first.begunAt < STEADY_MS) return undefined;
  return first.endedAt;
}

export interface Outage {
  /** Time from the end of the fault until every ingress served again, in milliseconds. */
  readonly afterMs: number;
  /** Number of small requests that were not served, from the beginning of the fault on. */
  readonly failed: number;
  /** From the first request that was not served until every ingress served again, in milliseconds. */
  readonly wholeMs: number;
}

/** Asks each ingress for a small answer several times a second. */
export class Probes implements AsyncDisposable {
  readonly #book: ClientBook;
  readonly #ingresses: ReadonlyMap<string, string>;
  readonly #apiKey: string;
  readonly #probes: Probe[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;

  constructor(of: {
    readonly book: ClientBook;
    readonly ingresses: ReadonlyMap<string, string>;
    readonly apiKey: string;
  }) {
    this.#book = of.book;
    this.#ingresses = of.ingresses;
    this.#apiKey = of.apiKey;
    this.#timer = setInterval(() => this.#begin(), EVERY_MS);
  }

  #begin(): void {
    for (const [ingress, url] of this.#ingresses) {
      const asked = this.#ask(ingress, url).finally(() => this.#open.delete(asked));
      this.#open.add(asked);
    }
  }

  async #ask(ingress: string, url: string): Promise<void> {
    const probe: { -readonly [Key in keyof Probe]: Probe[Key] } = {
      ingress,
      begunAt: performance.now(),
    };
    this.#probes.push(probe);
    const entry = await this.#book.ask({
      ingress,
      url,
      apiKey: this.#apiKey,
      maxTokens: TOKENS,
      isStreamed: false,
    });
    probe.isServed = entry.outcome === 'complete';
    probe.endedAt = entry.endedAt;
  }

  /** Waits until every ingress serves again, `limitMs` milliseconds at most. */
  async outage(fault: {
    readonly begunAt: number;
    readonly healedAt: number;
    readonly limitMs: number;
  }): Promise<Outage> {
    const { begunAt, healedAt, limitMs } = fault;
    // Earlier ones are not needed any more, and a long run would have many of them.
    const from = this.#probes.findIndex((probe) => probe.begunAt >= begunAt);
    this.#probes.splice(0, Math.max(0, from));
    const names = [...this.#ingresses.keys()];
    for (;;) {
      const now = performance.now();
      const times = names.map((name) =>
        servedFrom(
          this.#probes.filter(({ ingress }) => ingress === name),
          healedAt,
          now,
        ),
      );
      const isOver = now - healedAt > limitMs;
      if (!isOver && times.some((time) => time === undefined)) {
        await delay(EVERY_MS / 5);
        continue;
      }
      const servedAt = Math.max(...times.map((time) => time ?? now));
      const failed = this.#probes.filter(
        (probe) => probe.begunAt >= begunAt && probe.isServed === false,
      );
      const firstFailed = Math.min(...failed.map((probe) => probe.begunAt));
      return {
        afterMs: servedAt - healedAt,
        failed: failed.length,
        wholeMs: failed.length === 0 ? 0 : servedAt - firstFailed,
      };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#open);
  }
}
