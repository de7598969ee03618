export interface LoadingCacheOptions<Value> {
  readonly load: (key: string) => Promise<Value>;
  /** Lifetime of a value, in milliseconds. */
  readonly ttlMs: number;
  readonly maximum: number;
  readonly now: () => number;
}

/**
 * Caches values that are loaded by key. Callers of the same key share one loading; failures are not
 * cached; the oldest value is dropped first.
 */
export class LoadingCache<Value> {
  readonly #options: LoadingCacheOptions<Value>;
  readonly #known = new Map<string, { readonly value: Promise<Value>; readonly until: number }>();

  constructor(options: LoadingCacheOptions<Value>) {
    this.#options = options;
  }

  get(key: string): Promise<Value> {
    const { load, ttlMs, maximum, now } = this.#options;
    const known = this.#known.get(key);
    if (known !== undefined && now() < known.until) return known.value;
    const value = load(key);
    this.#known.delete(key);
    this.#known.set(key, { value, until: now() + ttlMs });
    if (this.#known.size > maximum) this.#known.delete(this.#known.keys().next().value as string);
    value.catch(() => {
      if (this.#known.get(key)?.value === value) this.#known.delete(key);
    });
    return value;
  }

  clear(): void {
    this.#known.clear();
  }
}
