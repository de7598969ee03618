import { useEffect, useState } from 'preact/hooks';

/** A value that components all over the page show, and show again when it changes. */
export class SharedState<T> {
  readonly #watchers = new Set<(value: T) => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    for (const watcher of this.#watchers) watcher(value);
  }

  /** A hook that returns the present value. */
  use(): T {
    const [shown, show] = useState(this.#value);
    useEffect(() => {
      const watcher = (value: T) => show(() => value);
      this.#watchers.add(watcher);
      watcher(this.#value);
      return () => {
        this.#watchers.delete(watcher);
      };
    }, []);
    return shown;
  }
}
