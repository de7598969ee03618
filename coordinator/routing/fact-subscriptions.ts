import { events, JobAttempt, JobEnded, TrustDisconnected, TrustRevoked } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { CellState } from './cell-state.ts';

/** Applies the facts that other components publish about machines and jobs to the cell's state. */
export function subscribeToFacts(bus: Bus, state: CellState): Disposable {
  const subscriptions = [
    bus.subscribe({
      subject: events.trustDisconnected,
      kind: TrustDisconnected,
      handle: ({ provider }) => state.disconnected(provider),
    }),
    bus.subscribe({
      subject: events.trustRevoked,
      kind: TrustRevoked,
      handle: ({ provider }) => state.revoked(provider),
    }),
    bus.subscribe({
      subject: events.jobAttempt,
      kind: JobAttempt,
      handle: (attempt) => state.attemptFailed(attempt),
    }),
    bus.subscribe({
      subject: events.jobEnded,
      kind: JobEnded,
      handle: (end) => state.jobEnded(end),
    }),
  ];
  return {
    [Symbol.dispose]: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}
