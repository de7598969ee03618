import type { Config } from '#coordinator/config.ts';

/** What a worker gets from its parent before it starts. */
export interface IngressWorkerOrder {
  readonly config: Config;
}

/** The line that a worker prints when it can receive its order. */
export const WORKER_STARTED = 'the worker has started';
/** The message of a worker that serves requests. */
export const WORKER_LISTENS = 'listens';
