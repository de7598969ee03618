import type { LostFacts } from '#bus-schemas';

/** A loss is shown for this long, in milliseconds, after its stream last lost facts. */
const SHOWN_MS = 3_600_000;

/**
 * Facts that JetStream removed before this process read them, by stream. An operator reads them in
 * `/readyz` and needs no command to clear them: the counter for Prometheus keeps the total.
 */
export class RecentLosses {
  /** Bounded by the number of streams that telemetry reads. */
  readonly #byStream = new Map<string, LostFacts>();

  add(stream: string, facts: number, now: number): void {
    const known = this.recent(now).find((loss) => loss.stream === stream);
    const total = facts + (known?.facts ?? 0);
    this.#byStream.set(stream, {
      stream,
      facts: total,
      firstAt: known?.firstAt ?? now,
      lastAt: now,
    });
  }

  recent(now: number): LostFacts[] {
    return [...this.#byStream.values()].filter(({ lastAt }) => now - lastAt < SHOWN_MS);
  }
}
