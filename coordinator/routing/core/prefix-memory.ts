import type { Prefix } from '#bus-schemas';

/** For as long as a machine can be expected to have kept it. */
const KEPT_MS = 10 * 60_000;
const MOST = 100_000;

/**
 * Where the beginnings of conversations were last read. The oldest go first when there are too
 * many.
 */
export class PrefixMemory {
  readonly #places = new Map<string, { provider: string; at: number }>();

  get size(): number {
    return this.#places.size;
  }

  /** The longest that somebody has, and who. */
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
