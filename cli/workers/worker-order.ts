import type { Config } from '#coordinator/config.ts';

/** What a worker gets from its parent before it starts. */
export interface IngressWorkerOrder {
  readonly config: Config;
}

/** The line that a worker prints when it serves requests. */
export const WORKER_LISTENS = 'the worker listens';
