/** A draft that was requested and is made together with the others of the same step. */
export interface DraftJob<Text> {
  readonly text: Text;
  readonly tokens: readonly number[];
  readonly most: number;
}

interface ChainOptions<Text, Part> {
  /** Number of tokens that may be drafted. Another one ends the draft before it. */
  readonly vocabulary: number;
  /** The first part of a draft; `jobs` drafts share the pass. */
  readonly first: (job: DraftJob<Text>, jobs: number) => Part;
  /** The part that follows a drafted token. */
  readonly next: (job: DraftJob<Text>, token: number) => Part;
  /** Computes parts together, and returns the token after each. `isFirst` is true for the first pass. */
  readonly pass: (parts: readonly Part[], isFirst: boolean) => Promise<Int32Array>;
  /** Called once if a pass fails. From then on nothing is drafted. */
  readonly onFailure: (error: unknown) => void;
}

interface Waiting<Text> {
  readonly job: DraftJob<Text>;
  readonly resolve: (drafted: readonly number[]) => void;
}

/**
 * Drafts tokens one after the other, for all answers that ask in the same turn of the event loop
 * together: a pass for several texts takes little longer than one. Answers that ask while others are
 * drafted wait for them, because a pass may continue the one before it.
 */
export class DraftChains<Text, Part> {
  readonly #options: ChainOptions<Text, Part>;
  #waiting: Waiting<Text>[] = [];
  #hasFailed = false;
  #isRunning = false;

  constructor(options: ChainOptions<Text, Part>) {
    this.#options = options;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  draft(job: DraftJob<Text>): Promise<readonly number[]> {
    return new Promise((resolve) => {
      this.#waiting.push({ job, resolve });
      if (this.#isRunning) return;
      this.#isRunning = true;
      queueMicrotask(() => void this.#run());
    });
  }

  fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onFailure(error);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) await this.#draftTogether(this.#waiting.splice(0));
    this.#isRunning = false;
  }

  async #draftTogether(waiting: readonly Waiting<Text>[]): Promise<void> {
    const drafts = new Map(waiting.map(({ job }) => [job, [] as number[]]));
    try {
      await this.#extend(drafts);
    } catch (error) {
      this.fail(error);
    }
    for (const { job, resolve } of waiting) resolve(drafts.get(job) as number[]);
  }

  async #extend(drafts: ReadonlyMap<DraftJob<Text>, number[]>): Promise<void> {
    const { vocabulary, first, next, pass } = this.#options;
    let open = [...drafts.keys()].map((job) => ({ job, part: first(job, drafts.size) }));
    for (let isFirst = true; open.length > 0; isFirst = false) {
      const best = await pass(
        open.map(({ part }) => part),
        isFirst,
      );
      open = open.flatMap(({ job }, index) => {
        const token = best[index] as number;
        const drafted = drafts.get(job) as number[];
        if (token >= vocabulary) return [];
        drafted.push(token);
        return drafted.length < job.most ? [{ job, part: next(job, token) }] : [];
      });
    }
  }
}
