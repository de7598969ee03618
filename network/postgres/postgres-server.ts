import type { Exit } from '#provider';

export type PostgresOptions = {
  /** Folder for data that is kept between runs. If absent, the data is deleted at the end. */
  dataDir?: string;
  port?: number;
  /** Server settings by name, which override `POSTGRES_SETTINGS`. */
  settings?: Readonly<Record<string, string>>;
  onLine?: (line: string) => void;
};

/** A running Postgres, as a local process or in a container. */
export type PostgresNode = AsyncDisposable & {
  readonly port: number;
  /** URL of the maintenance database; `createDatabase` returns those of the others. */
  readonly url: string;
  /** Creates the database if it does not exist, and returns its URL. */
  createDatabase(name: string): Promise<string>;
  logs(): readonly string[];
  /** Ends the server with SIGKILL. */
  kill(): Promise<void>;
  /** Starts the server again with the same port and the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

/** A Postgres that is a child process of this one. */
export type PostgresServer = PostgresNode & {
  readonly exited: Promise<Exit>;
  /** Folder of the data, as `postgres -D` names it. */
  readonly cluster: string;
};

export const POSTGRES_USER = 'dinf';

/**
 * Settings for two cores and a few gigabytes of memory. Durability is as in production, because a
 * crash test without fsync would prove little.
 */
export const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '128MB',
  max_connections: '50',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '1GB',
  checkpoint_timeout: '15min',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  timezone: 'UTC',
  lc_messages: 'C',
};
