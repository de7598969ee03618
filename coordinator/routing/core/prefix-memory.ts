import type { Prefix } from '#bus-schemas';

/** How long a machine can be expected to keep a prefix in its cache, in milliseconds. */
const KEPT_MS = 10 * 60_000;
const MOST = 100_000;

/**
 * Stores which machine last read each prefix of a conversation. If there are more than `MOST`, the
 * oldest are dropped.
 */
export class PrefixMemory {
  readonly #places = new Map<string, { provider: string; at: number }>();

  get size(): number {
    return this.#places.size;
  }

  /**
   * Returns the longest of these prefixes that a machine has read recently. `prefixes` lists the
   * longest first.
   */
  find(prefixes: readonly Prefix[], now: number): { provider: string; tokens: number } | undefined {
    for (const { key, tokens } of prefixes) {
      const place = this.#places.get(key);
      if (place !== undefined && now - place.at < KEPT_MS)
        return { provider: place.provider, tokens };
    }
    return undefined;
  }

  remember(prefixes: readonly Prefix[], provider: string, now: number): void {
    for (const { key } of prefixes) {
      this.#places.delete(key);
      this.#places.set(key, { provider, at: now });
    }
    for (const oldest of this.#places.keys()) {
      if (this.#places.size <= MOST) return;
      this.#places.delete(oldest);
    }
  }
}
