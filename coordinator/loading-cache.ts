import { LruMap } from '#bus-schemas';

export interface LoadingCacheOptions<Value> {
  readonly load: (key: string) => Promise<Value>;
  /** Lifetime of a value, in milliseconds. */
  readonly ttlMs: number;
  readonly maximum: number;
  readonly now: () => number;
}

/**
 * Caches values that are loaded by key. Callers of the same key share one loading; failures are not
 * cached; the least recently used value is dropped first.
 */
export class LoadingCache<Value> {
  readonly #options: LoadingCacheOptions<Value>;
  readonly #known: LruMap<string, { readonly value: Promise<Value>; readonly until: number }>;

  constructor(options: LoadingCacheOptions<Value>) {
    this.#options = options;
    this.#known = new LruMap(options.maximum);
  }

  get(key: string): Promise<Value> {
    const { load, ttlMs, now } = this.#options;
    const known = this.#known.get(key);
    if (known !== undefined && now() < known.until) return known.value;
    const value = load(key);
    this.#known.set(key, { value, until: now() + ttlMs });
    value.catch(() => {
      if (this.#known.get(key)?.value === value) this.#known.delete(key);
    });
    return value;
  }

  clear(): void {
    this.#known.clear();
  }
}
