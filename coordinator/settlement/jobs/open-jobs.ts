import { LruMap } from '#bus-schemas';
import type { HeldJob } from './job-store.ts';

const MAX_KNOWN = 50_000;

/**
 * Caches the jobs whose holds this process made and whose ends it has not settled, so that their
 * ends need no query. An outdated entry does no harm: the database refuses an end that was computed
 * from an old revision of the hold.
 */
export class OpenJobs {
  readonly #jobs = new LruMap<string, HeldJob>(MAX_KNOWN);

  add(jobs: readonly HeldJob[]): void {
    for (const job of jobs) this.#jobs.set(job.job, job);
  }

  get(job: string): HeldJob | undefined {
    return this.#jobs.get(job);
  }

  forget(jobs: Iterable<string>): void {
    for (const job of jobs) this.#jobs.delete(job);
  }
}
