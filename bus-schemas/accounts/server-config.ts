import type { OperatorJwts, OperatorKeys } from './jwts.ts';

export interface ServerPlace {
  readonly host: string;
  /** Folder of this server's state. */
  readonly home: string;
  readonly ports: { readonly client: number; readonly leaf: number };
}

/** The place of a hub among others that share its accounts and subscriptions. */
export interface ClusterPlace {
  /** Name of this hub; each hub of a cluster needs its own. */
  readonly server: string;
  readonly port: number;
  /** Where the other hubs accept routes: `nats-route://host:port`. */
  readonly routes: readonly string[];
}

/** A dead peer is noticed after two missed answers. */
const PING = 'ping_interval: "4s"\nping_max: 2';
const MAX_PAYLOAD_BYTES = 1024 * 1024;
const quoted = (value: string) => JSON.stringify(value);

/**
 * A hub: operator mode, accounts kept on disk so that providers enrolled at run time outlive a
 * restart. It has no monitoring port: that
 * would show every program of the machine who is connected; the system account shows the same to
 * those who hold its key.
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
  /** Of the local account: what the daemon signs in with on its own machine. */
  readonly user: string;
  readonly password: string;
  readonly credentialsFile: string;
}

/**
 * A leaf: each remote is one provider, in an account of its own, reachable from this machine only.
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
