/** Everything that the system stands on, started for a test, a bench or one laptop, and ended with it. */
export { startLocalPostgres as startPostgres } from './local/postgres.ts';
export { type Network, type NetworkOptions, startNetwork } from './network.ts';
export type { PostgresOptions, PostgresServer } from './postgres-server.ts';
