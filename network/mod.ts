/** The network that `dinf up` runs on one machine: hub, database, coordinator and sign-in service. */
export { freePort } from './free-port.ts';
export type { RouteUrl } from './hub-cluster.ts';
export type { NatsNode, NatsNodeOptions } from './nats-node.ts';
export { DATABASE, type Network, type NetworkOptions, startNetwork } from './network.ts';
export { type OidcIssuer, startOidcIssuer } from './oidc-issuer.ts';
export { createDatabase } from './postgres/create-database.ts';
export { type LocalPostgresOptions, startLocalPostgres } from './postgres/postgres.ts';
export { postgresBinaries } from './postgres/postgres-binaries.ts';
export {
  POSTGRES_SETTINGS,
  POSTGRES_USER,
  type PostgresNode,
  type PostgresOptions,
  type PostgresServer,
} from './postgres/postgres-server.ts';
