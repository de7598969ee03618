import { LruMap, type Prefix } from '#bus-schemas';

/** How long a machine can be expected to keep a prefix in its cache, in milliseconds. */
const CACHE_LIFETIME_MS = 10 * 60_000;
const MAX_PREFIXES = 100_000;

/**
 * Stores which machine last read each prefix of a conversation. If there are more than
 * MAX_PREFIXES, the least recently used are dropped.
 */
export class PrefixMemory {
  readonly #lastReaders = new LruMap<string, { provider: string; at: number }>(MAX_PREFIXES);

  get size(): number {
    return this.#lastReaders.size;
  }

  /**
   * Returns the longest of these prefixes that a machine has read recently. `prefixes` lists the
   * longest first.
   */
  find(prefixes: readonly Prefix[], now: number): { provider: string; tokens: number } | undefined {
    for (const { key, tokens } of prefixes) {
      const place = this.#lastReaders.get(key);
      if (place !== undefined && now - place.at < CACHE_LIFETIME_MS)
        return { provider: place.provider, tokens };
    }
    return undefined;
  }

  remember(prefixes: readonly Prefix[], provider: string, now: number): void {
    for (const { key } of prefixes) this.#lastReaders.set(key, { provider, at: now });
  }
}
