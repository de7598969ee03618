import type { NatsPlace, NatsPorts, NatsServer } from '#provider';

/** A running nats-server, as a local process or in a container. */
export type NatsNode = AsyncDisposable &
  Pick<
    NatsServer,
    'ports' | 'clientUrl' | 'leafUrl' | 'monitorUrl' | 'kill' | 'restart' | 'stop'
  > & { logs(): readonly string[] };

export interface NatsNodeOptions {
  /** Returns the configuration file for the addresses and paths of the chosen runtime. */
  readonly config: (place: NatsPlace) => string;
  /** Contents of further files in the server's home, by file name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Ports to listen on; free ones are chosen for those left out. */
  readonly ports?: Partial<NatsPorts>;
}
