import type { Hold } from '#bus-schemas';
import type { JobSpec } from './job-spec.ts';

type HeldJob = Pick<JobSpec, 'id' | 'promptBound' | 'maxOutputTokens'>;

/**
 * The hold for all choices of an answer. The first choice asks settlement to set the money of all
 * choices aside, which it does for all or for none. The other choices start later.
 *
 * Invariant: each choice whose money may be set aside either starts, or is reported as ended when
 * the first one is over. Otherwise its money would stay set aside until the hold expires.
 */
export class JointHold<Job extends HeldJob = JobSpec> {
  readonly #first: string;
  /** The choices that have not started. */
  readonly #waiting: Map<string, Job>;
  #state: 'none' | 'asked' | 'made' = 'none';

  constructor([first, ...others]: readonly [Job, ...Job[]]) {
    this.#first = first.id;
    this.#waiting = new Map(others.map((job) => [job.id, job]));
  }

  /** The choices for which the hold of this job is made too; undefined for the other choices. */
  choicesWith(job: string): Hold['choices'] {
    if (job !== this.#first) return undefined;
    return [...this.#waiting.values()].map(({ id, promptBound, maxOutputTokens }) => ({
      job: id,
      promptBound,
      outputBound: maxOutputTokens,
    }));
  }

  /** Settlement is being asked. Without its reply, the money may be set aside or not. */
  asked(): void {
    this.#state = 'asked';
  }

  /** Settlement has replied whether the money of all choices is set aside. */
  replied(isMade: boolean): void {
    this.#state = isMade ? 'made' : 'none';
  }

  started(job: string): void {
    this.#waiting.delete(job);
  }

  /** True if the money of this choice was set aside together with the first one. */
  covers(job: string): boolean {
    return this.#state === 'made' && job !== this.#first;
  }

  /** A choice is over. Returns those that will never start, and whose money may be set aside. */
  left(job: string): readonly Job[] {
    if (job !== this.#first || this.#state === 'none') return [];
    const left = [...this.#waiting.values()];
    this.#waiting.clear();
    return left;
  }
}
