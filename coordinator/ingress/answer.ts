import type { Finish, Usage } from '#bus-schemas';
import type { ApiError } from './errors.ts';

/** What a job says to its client. Each surface of the API has its own; the job does not know which. Exactly one of finish, reject and cut ends it. */
export interface Answer {
  /** False when the client takes no more for now; the job hears of it when that changes. */
  write(text: string): boolean;
  /** Forget what was written: none of it has left. */
  discard(): void;
  finish(finish: Finish, usage: Usage): void;
  /** Nothing has been written yet: a true status code. */
  reject(error: ApiError): void;
  /** Something has been written: an error inside the stream. */
  cut(error: ApiError): void;
}
