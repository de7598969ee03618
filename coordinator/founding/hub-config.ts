import { isLoopback } from '#bus-schemas';
import type { OperatorHome } from './operator-home.ts';

/** The addresses, ports and folder of a hub. */
export interface HubPlace {
  /** Address on which the hub accepts clients and, unless `leafHost` names another, leaves. */
  readonly host: string;
  readonly leafHost?: string;
  /** Folder of the hub's state. */
  readonly home: string;
  readonly ports: { readonly client: number; readonly leaf: number };
}

/** Address of a hub inside a cluster. The hubs of a cluster share accounts and subscriptions. */
interface ClusterPlace {
  /** Name of this hub; each hub of a cluster needs its own. */
  readonly server: string;
  readonly port: number;
  /** Addresses at which the other hubs accept connections of hubs: `nats-route://host:port`. */
  readonly routes: readonly string[];
  /** `host:port` that the other hubs learn for this hub; by default the one it listens on. */
  readonly advertise?: string;
}

/** Files of the certificate of a hub, in PEM. */
export interface HubTls {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Certificates of the authority that signed the certificates of all hubs. */
  readonly caFile: string;
}

export interface HubOptions {
  readonly operator: Pick<OperatorHome, 'keys' | 'jwts'>;
  readonly cluster?: ClusterPlace;
  readonly tls?: HubTls;
}

/** Name of the file with the certificate of the hubs' authority. It is not secret. */
export const HUB_CA_FILE = 'hub-ca.pem';
/** A hub pings a connection so often, and ends it after so many pings without an answer. */
export const HUB_PINGS = { everySeconds: 4, most: 2 };
/** Settings that every hub has, as a program on a machine and as a pod of Kubernetes. */
export const HUB_SETTINGS = {
  max_payload: 1024 * 1024,
  write_deadline: '10s',
  ping_interval: `${HUB_PINGS.everySeconds}s`,
  ping_max: HUB_PINGS.most,
  lame_duck_grace_period: '1s',
  lame_duck_duration: '30s',
};
export const RESOLVER_SETTINGS = {
  type: 'full',
  allow_delete: true,
  interval: '2m',
  /** Most provider accounts that a hub stores. The default of nats-server is 1,000. */
  limit: 1_000_000,
};
export const TLS_TIMEOUT_S = 5;
/**
 * Pings between hubs. A hub that is silent is left by the others after 1.2 to 1.6 s, before its
 * machines leave it, so that the others do not count its connections any more when its machines
 * come.
 */
export const ROUTE_SETTINGS = { ping_interval: '400ms', ping_max: 3 };
const settingsText = (settings: object): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join('\n');
const quoted = (value: string) => JSON.stringify(value);

/**
 * Configuration of a hub in operator mode. The accounts are stored on disk, so that providers which
 * enrolled at run time stay enrolled after a restart. The hub has no monitoring port, because such
 * a port shows all connections to every program on the machine. The system account offers the same
 * information, but only to holders of its key. With certificates, every listener that other
 * machines can reach requires TLS; between hubs both sides show their certificates. A dead peer is
 * noticed after two pings, 4 s apart, without an answer. Other hubs notice it sooner
 * (`ROUTE_SETTINGS`). A hub that gets SIGUSR2 hands over its streams, closes its clients one by one within 30 s, and ends.
 */
export function hubConfig(
  { host, leafHost = host, home, ports }: HubPlace,
  { operator, cluster, tls }: HubOptions,
): string {
  const { type, allow_delete, interval, limit } = RESOLVER_SETTINGS;
  return `
server_name: ${cluster === undefined ? 'hub' : quoted(cluster.server)}
host: ${quoted(host)}
port: ${ports.client}
${settingsText(HUB_SETTINGS)}
${listenerTls(host, tls)}
operator: ${operator.jwts.operator}
system_account: ${operator.keys.system.getPublicKey()}
resolver: {
  type: ${type}, dir: ${quoted(`${home}/accounts`)}, allow_delete: ${allow_delete}, interval: ${quoted(interval)}
  limit: ${limit}
}
resolver_preload: {
${Object.entries(preloadedAccounts(operator))
  .map(([account, jwt]) => `  ${account}: ${jwt}`)
  .join('\n')}
}
jetstream { store_dir: ${quoted(`${home}/jetstream`)} }
leafnodes {
  host: ${quoted(leafHost)}, port: ${ports.leaf}, no_advertise: true
  ${listenerTls(leafHost, tls)}
}
${cluster === undefined ? '' : clusterBlock(host, cluster, tls)}`;
}

/** Accounts that a hub has from the start, by public key: those of the network itself. */
export const preloadedAccounts = ({ keys, jwts }: HubOptions['operator']) => ({
  [keys.system.getPublicKey()]: jwts.system,
  [keys.core.getPublicKey()]: jwts.core,
  [keys.ops.getPublicKey()]: jwts.ops,
});

const listenerTls = (host: string, tls: HubTls | undefined): string =>
  tls === undefined || isLoopback(host) ? '' : `tls { ${certificateSettings(tls)} }`;

const certificateSettings = ({ certificateFile, keyFile }: HubTls): string =>
  `cert_file: ${quoted(certificateFile)}, key_file: ${quoted(keyFile)}, timeout: ${TLS_TIMEOUT_S}`;

function clusterBlock(
  host: string,
  { port, routes, advertise }: ClusterPlace,
  tls: HubTls | undefined,
): string {
  const mutual =
    tls === undefined || isLoopback(host)
      ? ''
      : `tls { ${certificateSettings(tls)}, ca_file: ${quoted(tls.caFile)}, verify: true }`;
  return `cluster {
  name: hubs, host: ${quoted(host)}, port: ${port}
  routes: ${JSON.stringify(routes)}
  ${settingsText(ROUTE_SETTINGS)}
  ${advertise === undefined ? '' : `advertise: ${quoted(advertise)}`}
  ${mutual}
}
`;
}
