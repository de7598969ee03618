import type { CatalogModel } from '#bus-schemas';
import type { RecountTerms } from './core/recount.ts';
import type { Recounter } from './recounter.ts';
import type { Transcript } from './transcript.ts';

export interface JobRecountOptions {
  readonly recounter: Recounter;
  readonly model: CatalogModel;
  /** Tolerances; undefined if the answer cannot be recounted. */
  readonly terms: RecountTerms | undefined;
  /** The tokens that the attempt has delivered; undefined once another attempt was chosen. */
  readonly deliveredBy: (attempt: number) => number | undefined;
  /** Is called once for an attempt that billed more tokens than its text contains. */
  readonly onOverbilled: (attempt: number, provider: string) => void;
}

/** The recount of one job's answer, which is the answer of its last attempt. */
export class JobRecount implements Disposable {
  readonly #options: JobRecountOptions;
  /** Text of the current attempt, if it may be recounted. */
  #transcript: Transcript | undefined;
  #running: Promise<void> | undefined;
  #mostTokens = Number.POSITIVE_INFINITY;

  constructor(options: JobRecountOptions) {
    this.#options = options;
  }

  /**
   * Most tokens that the client pays for: fewer than were billed after a recount that found fewer.
   */
  get mostTokens(): number {
    return this.#mostTokens;
  }

  /** Counts no answer that several machines wrote: none of them billed it alone. */
  drop(): undefined {
    this.#transcript?.[Symbol.dispose]();
    this.#transcript = undefined;
    this.#running = undefined;
    this.#mostTokens = Number.POSITIVE_INFINITY;
  }

  /** Forgets the earlier attempt, and returns the transcript for the text of the next one. */
  begin(): Transcript | undefined {
    this.#transcript?.[Symbol.dispose]();
    this.#running = undefined;
    this.#mostTokens = Number.POSITIVE_INFINITY;
    const { recounter, model, terms } = this.#options;
    this.#transcript = recounter.transcriptFor(model, terms);
    return this.#transcript;
  }

  /** Recounts an attempt at most once; undefined if there is no recount to wait for. */
  of(attempt: number, provider: string): Promise<void> | undefined {
    const transcript = this.#transcript;
    this.#transcript = undefined;
    if (transcript === undefined) return this.#running;
    const recount = this.#options.recounter.recount(transcript);
    transcript[Symbol.dispose]();
    this.#running = recount?.then((share) => {
      if (share < 1) this.#overbilled(attempt, provider, share);
    });
    return this.#running;
  }

  #overbilled(attempt: number, provider: string, share: number): void {
    const { deliveredBy, onOverbilled } = this.#options;
    // Another provider may have taken over in the meantime.
    const delivered = deliveredBy(attempt);
    if (delivered !== undefined) this.#mostTokens = Math.ceil(delivered * share);
    onOverbilled(attempt, provider);
  }

  [Symbol.dispose](): void {
    this.#transcript?.[Symbol.dispose]();
  }
}
