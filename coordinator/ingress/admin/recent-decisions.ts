import { events, RoutingDecision } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';

/** Decisions that are remembered. Routers publish at most 20 a second each. */
const MAX_DECISIONS = 200;

/** The last decisions of all routers, for operators. */
export class RecentDecisions implements Disposable {
  readonly #subscription: { unsubscribe(): void };
  #decisions: readonly RoutingDecision[] = [];

  constructor(bus: Bus) {
    this.#subscription = bus.subscribe({
      subject: events.routingDecision,
      kind: RoutingDecision,
      handle: (decision) => {
        this.#decisions = [decision, ...this.#decisions].slice(0, MAX_DECISIONS);
      },
    });
  }

  /** The newest comes first. */
  list(): readonly RoutingDecision[] {
    return this.#decisions;
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }
}
