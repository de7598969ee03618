import type { HeldJob } from './job-store.ts';

const MAX_KNOWN = 50_000;

/**
 * The jobs whose holds this process answered and whose ends it has not seen: their ends need no
 * look-up. Only a memory: the
 * database refuses an end that was worked out from a state that has changed since.
 */
export class OpenJobs {
  readonly #jobs = new Map<string, HeldJob>();

  add(jobs: readonly HeldJob[]): void {
    for (const job of jobs) this.#jobs.set(job.job, job);
    for (const oldest of this.#jobs.keys()) {
      if (this.#jobs.size <= MAX_KNOWN) break;
      this.#jobs.delete(oldest);
    }
  }

  get(job: string): HeldJob | undefined {
    return this.#jobs.get(job);
  }

  forget(jobs: Iterable<string>): void {
    for (const job of jobs) this.#jobs.delete(job);
  }
}
