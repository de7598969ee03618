/** A user of the leaf itself. Passwords are new at each start of the provider's daemon. */
interface LeafUser {
  readonly user: string;
  readonly password: string;
}

/** A provider: the user with which its daemon signs in to its own leaf, and its credentials. */
interface LeafRemote extends LeafUser {
  readonly credentialsFile: string;
}

export interface LeafPlace {
  readonly host: string;
  readonly ports: { readonly client: number };
}

export interface LeafLinks {
  /** Addresses of the hubs, for example `tls://hub.example.org:7422`. */
  readonly hubs: readonly string[];
  /**
   * File with the certificates of the authority that signs the certificates of the hubs. With it the
   * leaf connects only by TLS, and only to hubs of that authority. Without it an attacker on the
   * path could pose as the hub.
   */
  readonly caFile?: string;
  readonly remotes: readonly LeafRemote[];
  /** Reads the state of the leaf's links. */
  readonly watcher: LeafUser;
}

const MAX_PAYLOAD_BYTES = 1024 * 1024;
const quoted = (value: string) => JSON.stringify(value);
const userOf = ({ user, password }: LeafUser) =>
  `{ user: ${quoted(user)}, password: ${quoted(password)} }`;

/**
 * Configuration of a leaf. Each remote connects one provider, which has an account of its own. The
 * leaf accepts connections of clients on `host` only. A hub that is silent is left after 1.6 to 2 s:
 * the leaf pings it all the time, and an answer may take 1.6 s.
 */
export function leafConfig(
  place: LeafPlace,
  { hubs, caFile, remotes, watcher }: LeafLinks,
): string {
  const { host, ports } = place;
  const tls = caFile === undefined ? '' : `, tls: { ca_file: ${quoted(caFile)} }`;
  const accounts = remotes.map((remote, index) => `  L${index} { users: [${userOf(remote)}] }`);
  const links = remotes.map(
    ({ credentialsFile }, index) =>
      `    { urls: ${JSON.stringify(hubs)}, account: L${index}, credentials: ${quoted(credentialsFile)}${tls} }`,
  );
  return `
host: ${quoted(host)}
port: ${ports.client}
max_payload: ${MAX_PAYLOAD_BYTES}
ping_interval: "400ms"
ping_max: 4
system_account: SYS
accounts {
  SYS { users: [${userOf(watcher)}] }
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
