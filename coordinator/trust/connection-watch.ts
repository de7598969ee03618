import type { Msg, NatsConnection } from '@nats-io/nats-core';

export interface ConnectionEvent {
  readonly provider: string;
  /** `refused`: a second connection with the credentials of a machine that is connected. */
  readonly change: 'connected' | 'disconnected' | 'refused';
  /** The hub's id of this event; every copy of trust that receives the event uses the same id. */
  readonly id: string;
}

const SUBJECTS = {
  connected: '$SYS.ACCOUNT.*.CONNECT',
  disconnected: '$SYS.ACCOUNT.*.DISCONNECT',
} as const;

/**
 * A hub reports a connection that it refuses as disconnected, although it never reported it as
 * connected. If this counted as the end of the machine's connection, a clone with copied
 * credentials could take the machine out of the fleet and end its jobs by trying to connect once.
 */
const OVER_THE_LIMIT = 'Maximum Account Connections Exceeded';

/** Calls `on` when the hub reports that a provider's leaf has connected or disconnected. */
export function watchConnections(
  system: NatsConnection,
  isProvider: (account: string) => boolean,
  onChange: (event: ConnectionEvent) => void,
): Disposable {
  const receive = (message: Msg, change: keyof typeof SUBJECTS) => {
    const provider = message.subject.split('.')[2] ?? '';
    if (!isProvider(provider)) return;
    const { id, reason } = message.json<{ id?: unknown; reason?: unknown }>();
    if (typeof id === 'string')
      onChange({ provider, change: reason === OVER_THE_LIMIT ? 'refused' : change, id });
  };
  const subscriptions = (Object.keys(SUBJECTS) as (keyof typeof SUBJECTS)[]).map((change) =>
    system.subscribe(SUBJECTS[change], {
      callback: (error, message) => (error ? undefined : receive(message, change)),
    }),
  );
  return {
    [Symbol.dispose]: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}
