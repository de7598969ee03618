import type { Exit } from '#provider';

export type PostgresOptions = {
  /** Kept between runs; without it the data is thrown away at the end. */
  dataDir?: string;
  port?: number;
  /** Server settings over ours, by name. */
  settings?: Readonly<Record<string, string>>;
  onLine?: (line: string) => void;
};

/** A Postgres, wherever it runs. */
export type PostgresNode = AsyncDisposable & {
  readonly port: number;
  /** Of the maintenance database; our own databases come from `createDatabase`. */
  readonly url: string;
  /** Makes it unless it is there, and answers with its URL. */
  createDatabase(name: string): Promise<string>;
  logs(): readonly string[];
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Same port, same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

/** One that is a process of ours. */
export type PostgresServer = PostgresNode & { readonly exited: Promise<Exit> };

export const POSTGRES_USER = 'dinf';

/** For two cores and a few gigabytes. Durability is as production has it: a test that passes without fsync proves little. */
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
