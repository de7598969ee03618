import type { OperatorJwts, OperatorKeys } from './jwts.ts';

export interface ServerPlace {
  readonly host: string;
  /** Folder of this server's state. */
  readonly home: string;
  readonly ports: { readonly client: number; readonly leaf: number };
}

/** Address of a hub inside a cluster. The hubs of a cluster share accounts and subscriptions. */
export interface ClusterPlace {
  /** Name of this hub; each hub of a cluster needs its own. */
  readonly server: string;
  readonly port: number;
  /** Addresses at which the other hubs accept connections of hubs: `nats-route://host:port`. */
  readonly routes: readonly string[];
}

/** Settings that close a connection after two pings, 4 s apart, without an answer. */
const PING = 'ping_interval: "4s"\nping_max: 2';
const MAX_PAYLOAD_BYTES = 1024 * 1024;
const quoted = (value: string) => JSON.stringify(value);

/**
 * Configuration of a hub in operator mode. The accounts are stored on disk, so that providers which
 * enrolled at run time stay enrolled after a restart. The hub has no monitoring port, because such
 * a port shows all connections to every program on the machine. The system account offers the same
 * information, but only to holders of its key.
 */
export function hubConfig(
  place: ServerPlace,
  { keys, jwts }: { keys: Pick<OperatorKeys, 'system' | 'core' | 'ops'>; jwts: OperatorJwts },
  cluster?: ClusterPlace,
): string {
  const { host, home, ports } = place;
  return `
server_name: ${cluster === undefined ? 'hub' : quoted(cluster.server)}
host: ${quoted(host)}
port: ${ports.client}
max_payload: ${MAX_PAYLOAD_BYTES}
write_deadline: "10s"
${PING}
operator: ${jwts.operator}
system_account: ${keys.system.getPublicKey()}
resolver: { type: full, dir: ${quoted(`${home}/accounts`)}, allow_delete: true, interval: "2m" }
resolver_preload: {
  ${keys.system.getPublicKey()}: ${jwts.system}
  ${keys.core.getPublicKey()}: ${jwts.core}
  ${keys.ops.getPublicKey()}: ${jwts.ops}
}
jetstream { store_dir: ${quoted(`${home}/jetstream`)} }
leafnodes { host: ${quoted(host)}, port: ${ports.leaf}, no_advertise: true }
${cluster === undefined ? '' : clusterBlock(host, cluster)}`;
}

function clusterBlock(host: string, { port, routes }: ClusterPlace): string {
  return `cluster { name: hubs, host: ${quoted(host)}, port: ${port}, routes: ${JSON.stringify(routes)} }\n`;
}

export interface LeafRemote {
  /** User name in the local account, with which the provider's daemon signs in to its own leaf. */
  readonly user: string;
  readonly password: string;
  readonly credentialsFile: string;
}

/**
 * Configuration of a leaf. Each remote connects one provider, which has an account of its own. The
 * leaf accepts connections of clients on `host` only.
 */
export function leafConfig(
  place: ServerPlace,
  { hubs, remotes }: { hubs: readonly string[]; remotes: readonly LeafRemote[] },
): string {
  const { host, ports } = place;
  const accounts = remotes.map(
    ({ user, password }, index) =>
      `  L${index} { users: [{ user: ${quoted(user)}, password: ${quoted(password)} }] }`,
  );
  const links = remotes.map(
    ({ credentialsFile }, index) =>
      `    { urls: ${JSON.stringify(hubs)}, account: L${index}, credentials: ${quoted(credentialsFile)} }`,
  );
  return `
host: ${quoted(host)}
port: ${ports.client}
max_payload: ${MAX_PAYLOAD_BYTES}
${PING}
accounts {
${accounts.join('\n')}
}
leafnodes {
  reconnect: "100ms"
  remotes: [
${links.join('\n')}
  ]
}
`;
}
