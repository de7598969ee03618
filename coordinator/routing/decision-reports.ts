import { events, RoutingDecision } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { PendingRequest } from './core/pending-request.ts';
import type { Choice } from './core/placement.ts';
import { describeDecision } from './views.ts';

/**
 * Decisions are published for people to read. This many per second are enough; more would cost more
 * time than the decisions themselves.
 */
const MAX_PER_SECOND = 20;

export interface DecisionReportsOptions {
  readonly bus: Bus;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
}

/** Publishes a sample of the router's decisions. */
export class DecisionReports {
  readonly #options: DecisionReportsOptions;
  #left = MAX_PER_SECOND;

  constructor(options: DecisionReportsOptions) {
    this.#options = options;
  }

  /** Is called once a second. */
  refill(): void {
    this.#left = MAX_PER_SECOND;
  }

  report(pending: PendingRequest, choice: Choice, outcome: RoutingDecision['outcome']): void {
    if (this.#left <= 0) return;
    this.#left -= 1;
    const { bus, now, clock } = this.#options;
    const { job, exclude } = pending.request;
    bus.emit(
      events.routingDecision,
      RoutingDecision,
      describeDecision(pending, choice, {
        outcome,
        at: now(),
        queuedMs: clock() - pending.requestedAt,
      }),
      `decision:${job}:${exclude.length}:${outcome}`,
    );
  }
}
