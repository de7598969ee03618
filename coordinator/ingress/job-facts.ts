import { type AttemptFailure, events, JobAttempt, JobEnded, Violation } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { JobCommand } from './core/job-state.ts';
import type { JobSpec } from './job-spec.ts';

/**
 * Failures that are reported as violations of the protocol. Routing judges slowness and refusals
 * itself.
 */
const VIOLATIONS: Partial<Record<AttemptFailure, Violation['violation']>> = {
  unopenable_frame: 'unopenable_frame',
  protocol_violation: 'malformed_message',
};

/** Publishes the facts about one job. Each has an id, so JetStream stores it once. */
export class JobFacts {
  readonly #job: Pick<JobSpec, 'id' | 'account' | 'clientSeals'>;
  readonly #bus: Bus;
  readonly #now: () => number;

  constructor(job: Pick<JobSpec, 'id' | 'account' | 'clientSeals'>, bus: Bus, now: () => number) {
    this.#job = job;
    this.#bus = bus;
    this.#now = now;
  }

  attemptFailed({
    attempt: { number, candidate },
    failure,
    refusal,
    about,
    next,
  }: Extract<JobCommand, { do: 'report_attempt' }>): void {
    const { provider, build } = candidate;
    const { id: job, account, clientSeals: clientSealed } = this.#job;
    const at = this.#now();
    const fact = { job, account, clientSealed, attempt: number, provider, build, at, failure };
    const id = `attempt:${job}:${number}`;
    this.#bus.emit(
      events.jobAttempt,
      JobAttempt,
      { ...fact, ...(refusal && { refusal }), ...(about && { about }), ...(next && { next }) },
      id,
    );
    const violation = VIOLATIONS[failure];
    if (violation) this.#violated({ provider, at, violation }, `violation:${id}`);
  }

  overbilled(attempt: number, provider: string): void {
    const job = this.#job.id;
    this.#violated(
      { provider, at: this.#now(), violation: 'overbilled', job },
      `violation:overbilled:${job}:${attempt}`,
    );
  }

  ended(fact: JobEnded): void {
    this.#bus.emit(events.jobEnded, JobEnded, fact, `ended:${this.#job.id}`);
  }

  #violated(fact: Violation, id: string): void {
    this.#bus.emit(events.telemetryViolation, Violation, fact, id);
  }
}
