import type { Msg, NatsConnection } from '@nats-io/nats-core';

export interface ConnectionEvent {
  readonly provider: string;
  readonly change: 'connected' | 'disconnected';
  /** The hub's own name for this event: every copy of us that hears it says the same. */
  readonly id: string;
}

const SUBJECTS = { connected: '$SYS.ACCOUNT.*.CONNECT', disconnected: '$SYS.ACCOUNT.*.DISCONNECT' } as const;

/** Tells when a provider's leaf comes and goes, as the hub saw it. */
export function watchConnections(system: NatsConnection, isProvider: (account: string) => boolean, on: (event: ConnectionEvent) => void): Disposable {
  const take = (message: Msg, change: ConnectionEvent['change']) => {
    const provider = message.subject.split('.')[2] ?? '';
    if (!isProvider(provider)) return;
    const { id } = message.json<{ id?: unknown }>();
    if (typeof id === 'string') on({ provider, change, id });
  };
  const subscriptions = (Object.keys(SUBJECTS) as ConnectionEvent['change'][]).map((change) =>
    system.subscribe(SUBJECTS[change], { callback: (error, message) => (error ? undefined : take(message, change)) }),
  );
  return {
    [Symbol.dispose]: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}
