/** The newest reading of a state of the computer, which is read again and again. */
export class Polled<T> implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #value: T | undefined;

  private constructor(first: T | undefined, read: () => Promise<T | undefined>, everyMs: number) {
    this.#value = first;
    this.#timer = setInterval(async () => {
      this.#value = await read();
    }, everyMs);
  }

  /** Reads once before it resolves. `read` must not throw; it returns undefined if it fails. */
  static async start<T>(read: () => Promise<T | undefined>, everyMs: number): Promise<Polled<T>> {
    return new Polled(await read(), read, everyMs);
  }

  get value(): T | undefined {
    return this.#value;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
