import type { Logger } from 'pino';
import { events, StoredStopped } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { JsonObject } from '#http-api/core/json.ts';
import { failedResponse } from '#http-api/core/surfaces/response-resource.ts';
import { ApiError } from '#http-api/errors.ts';
import { appendItems } from './conversations.ts';
import type { StoredContents } from './stored-contents.ts';
import type { StatefulRequest } from './stored-responses.ts';

/**
 * Time for which a running response is promised without renewal, in milliseconds. After it, the
 * response counts as lost with its ingress.
 */
const RUN_MS = 30_000;
const RENEW_MS = 10_000;

interface RunDeps {
  readonly bus: Bus;
  readonly log: Logger;
  readonly now: () => number;
}

interface RunOptions {
  readonly id: string;
  readonly contents: StoredContents;
  readonly request: StatefulRequest;
}

/**
 * A response that is stored when it begins and again when it ends, or whose items are added to a
 * conversation when it ends.
 */
export class StoredRun {
  readonly #options: RunOptions;
  readonly #deps: RunDeps;
  readonly #onOver: () => void;
  #renewal: NodeJS.Timeout | undefined;
  #isOver = false;
  #stop: (() => JsonObject) | undefined;
  #first: JsonObject = {};

  constructor(options: RunOptions, deps: RunDeps, onOver: () => void) {
    this.#options = options;
    this.#deps = deps;
    this.#onOver = onOver;
  }

  /** Stores the response before its job starts, so that an account without room is told at once. */
  async begin(response: JsonObject): Promise<void> {
    this.#first = response;
    if (!this.#options.request.isStored) return;
    await this.#put(response, 0);
    this.#renewal = setInterval(() => void this.#renew(), RENEW_MS).unref();
  }

  /**
   * Lets the response be cancelled: `stop` ends its job and returns the response with the part of
   * the output that had arrived. Without it, the job goes on, because its client waits for it.
   */
  canStop(stop: () => JsonObject): void {
    this.#stop = stop;
  }

  /** Ends the job of a response that was cancelled, deleted or lost. */
  stopped(): void {
    if (this.#stop === undefined || this.#isOver) return;
    void this.end(this.#stop());
  }

  /** Stores the end of the response. Never rejects: the client gets its answer in any case. */
  async end(response: JsonObject): Promise<void> {
    if (!this.#over()) return;
    const { request, contents } = this.#options;
    try {
      if (request.isStored) await this.#storeEnd(response);
      const isWhole = response['status'] === 'completed' || response['status'] === 'incomplete';
      if (request.conversation !== undefined && isWhole)
        await appendItems(contents, request.conversation, [
          ...request.ownItems,
          ...(response['output'] as unknown[]),
        ]);
    } catch (error) {
      this.#report(error);
    } finally {
      this.#onOver();
    }
  }

  /** Removes a response whose client got an error or has left. Never rejects. */
  async giveUp(): Promise<void> {
    if (!this.#over()) return;
    const { request, contents, id } = this.#options;
    try {
      if (request.isStored) await contents.delete(id);
    } catch (error) {
      this.#report(error);
    } finally {
      this.#onOver();
    }
  }

  /** Stores a failure in place of a response that has no room. */
  async #storeEnd(response: JsonObject): Promise<void> {
    try {
      await this.#put(response, 1);
    } catch (error) {
      const hasNoRoom =
        error instanceof ApiError &&
        (error.code === 'storage_full' || error.code === 'payload_too_large');
      if (!hasNoRoom) throw error;
      await this.#put({ ...failedResponse(this.#first, error.message) }, 1);
    }
  }

  #put(response: JsonObject, version: number): Promise<void> {
    const { contents, id, request } = this.#options;
    return contents.put({
      id,
      version,
      content: { response, items: request.body['input'] },
      ...(version === 0 && { runsUntil: this.#deps.now() + RUN_MS }),
    });
  }

  async #renew(): Promise<void> {
    const { contents, id } = this.#options;
    try {
      if (!(await contents.renew(id, this.#deps.now() + RUN_MS))) this.stopped();
    } catch (error) {
      this.#report(error);
    }
  }

  /** Returns false if the run was over before. */
  #over(): boolean {
    clearInterval(this.#renewal);
    const wasRunning = !this.#isOver;
    this.#isOver = true;
    return wasRunning;
  }

  /** A conflict is no fault: the caller deleted the response, or it counts as lost. */
  #report(error: unknown): void {
    if (error instanceof ApiError && error.code === 'conflict') return;
    this.#deps.log.warn(
      { response: this.#options.id, err: error },
      'a response could not be stored',
    );
  }
}

/** The stored responses that run on this ingress, each with a job. */
export class StoredRuns implements AsyncDisposable {
  readonly #deps: RunDeps;
  readonly #running = new Map<string, StoredRun>();
  readonly #subscription: { unsubscribe(): void };
  #whenIdle: (() => void) | undefined;

  constructor(deps: RunDeps) {
    this.#deps = deps;
    this.#subscription = deps.bus.subscribe({
      subject: events.accountsStoredStopped,
      kind: StoredStopped,
      handle: ({ id }) => this.#running.get(id)?.stopped(),
    });
  }

  /** Stores a response that is about to run. Throws if it cannot be stored. */
  async begin(options: RunOptions, response: JsonObject): Promise<StoredRun> {
    const run = new StoredRun(options, this.#deps, () => this.#over(options.id));
    await run.begin(response);
    this.#running.set(options.id, run);
    return run;
  }

  #over(id: string): void {
    this.#running.delete(id);
    if (this.#running.size === 0) this.#whenIdle?.();
  }

  /** Waits until the ends of all responses are stored. Their jobs must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#whenIdle = resolve;
      await promise;
    }
    this.#subscription.unsubscribe();
  }
}
