/**
 * A cache of at most `maximum` entries. Another one replaces the entry that was neither read nor
 * written for the longest time. An outsider can therefore push entries out, so do not use it where
 * the loss of an entry breaks a rule, for example for ids that may be used only once.
 */
export class LruMap<Key, Value extends NonNullable<unknown>> {
  readonly #maximum: number;
  readonly #onDrop: ((value: Value) => void) | undefined;
  /** A Map keeps the order of insertion; an entry is inserted again when it is used. */
  readonly #entries = new Map<Key, Value>();

  /** `onDrop` is called with values that the bound removes, and not for `delete` and `clear`. */
  constructor(maximum: number, onDrop?: (value: Value) => void) {
    this.#maximum = maximum;
    this.#onDrop = onDrop;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#maximum) return;
    for (const [oldest, dropped] of this.#entries) {
      this.#entries.delete(oldest);
      this.#onDrop?.(dropped);
      return;
    }
  }

  delete(key: Key): boolean {
    return this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  values(): MapIterator<Value> {
    return this.#entries.values();
  }

  /** Least recently used entries come first. Do not call `get` or `set` during the iteration. */
  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.#entries[Symbol.iterator]();
  }
}
