import type { NatsPlace, NatsPorts, NatsServer } from '#provider';

/** A nats-server, wherever it runs. */
export type NatsNode = AsyncDisposable &
  Pick<NatsServer, 'ports' | 'clientUrl' | 'leafUrl' | 'monitorUrl' | 'kill' | 'restart' | 'stop'> & { logs(): readonly string[] };

export interface NatsNodeOptions {
  /** The whole configuration, for the place where it will run. */
  readonly config: (place: NatsPlace) => string;
  /** Files beside it, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Fixed ports; free ones otherwise. */
  readonly ports?: Partial<NatsPorts>;
}
