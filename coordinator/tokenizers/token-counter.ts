import { Worker } from 'node:worker_threads';
import type { CountAnswer, CountQuestion } from './count-thread.ts';

/** Maximum number of texts that wait for the thread. */
const MAX_WAITING = 64;
/**
 * Maximum time for one text, including the reading of the file, in milliseconds. After it the
 * thread is ended.
 */
const STUCK_MS = 10_000;
const THREAD_MEMORY_MB = 1_024;

/**
 * `late`: no answer within the time that the caller gave. `busy`: too many texts wait. `lost`: the
 * thread ended.
 */
export type Counted =
  | CountAnswer
  | { readonly ok: false; readonly code: 'late' | 'busy' | 'lost'; readonly why: string };

interface Asked {
  readonly question: CountQuestion;
  readonly settle: (counted: Counted) => void;
  isSettled: boolean;
}

/**
 * Counts tokens in a separate thread, one text at a time, so that a large file or a slow pattern
 * does not block the event loop.
 */
export class TokenCounter implements AsyncDisposable {
  readonly #waiting: Asked[] = [];
  #thread: Worker | undefined;
  #current: { readonly asked: Asked; readonly timer: NodeJS.Timeout } | undefined;

  /** Never rejects. */
  count(question: CountQuestion, waitMs = STUCK_MS): Promise<Counted> {
    if (this.#waiting.length >= MAX_WAITING)
      return Promise.resolve({
        ok: false,
        code: 'busy',
        why: 'Too many texts wait to be counted.',
      });
    const { promise, resolve } = Promise.withResolvers<Counted>();
    const late = setTimeout(
      () =>
        asked.settle({
          ok: false,
          code: 'late',
          why: `The text was not counted within ${waitMs} ms.`,
        }),
      waitMs,
    );
    const asked: Asked = {
      question,
      isSettled: false,
      settle: (counted) => {
        clearTimeout(late);
        asked.isSettled = true;
        resolve(counted);
      },
    };
    this.#waiting.push(asked);
    this.#next();
    return promise;
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const asked = this.#waiting.shift();
    if (asked === undefined) return;
    // The caller no longer waits for this text.
    if (asked.isSettled) return this.#next();
    this.#thread ??= this.#newThread();
    const thread = this.#thread;
    const stuck = () => this.#lost(thread, `The tokenizer took more than ${STUCK_MS} ms.`);
    this.#current = { asked, timer: setTimeout(stuck, STUCK_MS) };
    thread.postMessage(asked.question);
  }

  #newThread(): Worker {
    const thread = new Worker(new URL('./count-thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: THREAD_MEMORY_MB },
    });
    thread.unref();
    thread.on('message', (answer: CountAnswer) => thread === this.#thread && this.#settle(answer));
    thread.on('error', (error) =>
      this.#lost(thread, `The thread that counts tokens ended: ${error.message}`),
    );
    thread.on('exit', () => this.#lost(thread, 'The thread that counts tokens ended.'));
    return thread;
  }

  #settle(counted: Counted): void {
    if (this.#current !== undefined) {
      clearTimeout(this.#current.timer);
      this.#current.asked.settle(counted);
    }
    this.#current = undefined;
    this.#next();
  }

  #lost(thread: Worker, why: string): void {
    if (thread !== this.#thread) return;
    this.#thread = undefined;
    void thread.terminate();
    this.#settle({ ok: false, code: 'lost', why });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    const why = 'The program ends.';
    if (this.#current !== undefined) clearTimeout(this.#current.timer);
    for (const asked of [this.#current?.asked, ...this.#waiting.splice(0)])
      asked?.settle({ ok: false, code: 'lost', why });
    this.#current = undefined;
    await thread?.terminate();
  }
}
