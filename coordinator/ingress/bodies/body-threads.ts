import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { ApiError } from '#http-api/errors.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import { type BodyAnswer, type BodyQuestion, receivedError } from './body-question.ts';
import { BodyQueue, type WaitingBody } from './body-queue.ts';

/** Most bytes of all bodies that wait for a thread. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;
/** Longest time for one question about a body, in milliseconds. A body of 16 MiB needs about 0.3 s. */
const STUCK_MS = 20_000;
/**
 * Memory of a thread for parsed values. The largest body with the most values needs about 150 MB.
 */
const THREAD_MEMORY_MB = 512;
/** Threads beyond these would not be faster, and each takes about 30 MB. */
const MAX_THREADS = 4;

interface Waiting extends WaitingBody {
  readonly settle: (thread: BodyThread | undefined) => void;
  readonly refuse: (error: ApiError) => void;
}

export interface BodyThreadsOptions {
  readonly log: Logger;
  readonly threads?: number;
  readonly memoryMb?: number;
  readonly maxWaitingBytes?: number;
  readonly stuckMs?: number;
}

/**
 * The threads for large bodies. Each has one body at a time, so that a body that ends its thread, for
 * example because it needs too much memory, ends no other request.
 */
export class BodyThreads implements AsyncDisposable {
  readonly #options: Required<Omit<BodyThreadsOptions, 'maxWaitingBytes'>>;
  readonly #idle: BodyThread[] = [];
  readonly #waiting: BodyQueue<Waiting>;
  readonly #busy = new Set<BodyThread>();

  constructor({
    log,
    threads = Math.min(MAX_THREADS, Math.max(1, availableParallelism() - 1)),
    memoryMb = THREAD_MEMORY_MB,
    maxWaitingBytes = MAX_WAITING_BYTES,
    stuckMs = STUCK_MS,
  }: BodyThreadsOptions) {
    this.#options = { log, threads, memoryMb, stuckMs };
    this.#waiting = new BodyQueue(maxWaitingBytes);
  }

  /**
   * Waits for a thread. Returns undefined if the request is not wanted any more when its turn comes.
   * Every thread must be given back.
   */
  async take(body: WaitingBody): Promise<BodyThread | undefined> {
    const idle = this.#next();
    if (idle !== undefined) return idle;
    const {
      promise,
      resolve: settle,
      reject: refuse,
    } = Promise.withResolvers<BodyThread | undefined>();
    for (const refused of this.#waiting.add({ ...body, settle, refuse }))
      refused.refuse(
        new ApiError('service_unavailable', 'Too many large requests are being read.', {
          retryAfterMs: RETRY_AFTER_MS.unstated,
        }),
      );
    return promise;
  }

  give(thread: BodyThread): void {
    this.#busy.delete(thread);
    if (!thread.hasEnded) this.#idle.push(thread);
    const next = this.#waiting.next(({ settle }) => settle(undefined));
    next?.settle(this.#next());
  }

  /** A thread for a body; undefined if all are busy. */
  #next(): BodyThread | undefined {
    const { threads, log, ...limits } = this.#options;
    if (this.#busy.size >= threads) return undefined;
    let thread = this.#idle.pop();
    // A thread can also end while it has no body.
    while (thread?.hasEnded) thread = this.#idle.pop();
    thread ??= new BodyThread(limits, log);
    this.#busy.add(thread);
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { settle } of this.#waiting.clear()) settle(undefined);
    await Promise.all([...this.#idle, ...this.#busy].map((thread) => thread.end()));
  }
}

/** A thread with one body. */
export class BodyThread {
  readonly #worker: Worker;
  readonly #stuckMs: number;
  readonly #log: Logger;
  #asked: { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor({ memoryMb, stuckMs }: { memoryMb: number; stuckMs: number }, log: Logger) {
    this.#stuckMs = stuckMs;
    this.#log = log;
    this.#asked = NOBODY;
    this.#worker = new Worker(new URL('./body-thread.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: BodyAnswer) => this.#answered(answer));
    this.#worker.on('error', (error) => void this.end(error.message));
    this.#worker.on('exit', () => void this.end('it has exited'));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Asks one question; the next one must wait for its answer. Rejects with the ApiError of a faulty
   * request, or with `service_unavailable` if the thread ends. The buffers in `transfer` are handed
   * over and not copied.
   */
  ask(question: BodyQuestion, transfer: ArrayBuffer[] = []): Promise<unknown> {
    if (this.#hasEnded) return Promise.reject(unreadBody());
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#asked = { resolve, reject };
    this.#timer = setTimeout(
      () => void this.end(`it needed more than ${this.#stuckMs} ms`),
      this.#stuckMs,
    );
    this.#worker.postMessage(question, transfer);
    return promise;
  }

  #answered(answer: BodyAnswer): void {
    const { resolve, reject } = this.#asked;
    this.#done();
    if (answer.ok) resolve(answer.value);
    else reject(receivedError(answer.error));
  }

  #done(): void {
    clearTimeout(this.#timer);
    this.#asked = NOBODY;
  }

  /** Ends the thread; `why` is the cause if it is a fault. */
  async end(why?: string): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { reject } = this.#asked;
    if (why !== undefined && this.#asked !== NOBODY)
      this.#log.error({ why }, 'the thread of a large request has ended');
    this.#done();
    reject(unreadBody());
    await this.#worker.terminate();
  }
}

const NOBODY = { resolve: () => undefined, reject: () => undefined };

/** No thread has the body any more. */
export const unreadBody = (): ApiError =>
  new ApiError('service_unavailable', 'The request could not be read. Try again.', {
    retryAfterMs: RETRY_AFTER_MS.unstated,
  });
