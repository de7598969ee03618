interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Runs one batch at a time: the first item goes at once, what comes meanwhile goes together. Idle costs no wait, load fills batches. */
export class Batcher<Item, Result> {
  readonly #run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #maximum: number;
  #waiting: Waiting<Item, Result>[] = [];
  #running = false;

  constructor(run: (items: readonly Item[]) => Promise<readonly Result[]>, maximum: number) {
    this.#run = run;
    this.#maximum = maximum;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    // Items that arrive in the same turn of the event loop share the first batch.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, this.#maximum);
      this.#waiting = this.#waiting.slice(this.#maximum);
      try {
        const results = await this.#run(batch.map(({ item }) => item));
        for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }
}
