import { ConfigError } from '#bus-schemas/settings/settings.ts';

/** One server of a `DATABASE_URL`. */
export interface DatabaseAddress {
  /** URL of this server alone, as node-postgres reads it. */
  readonly url: string;
  /** Host and port for messages to an operator; never the password. */
  readonly name: string;
}

export interface DatabaseAddresses {
  readonly database: string;
  /** At least one, in the order in which they are tried. */
  readonly addresses: readonly DatabaseAddress[];
}

const MAX_HOSTS = 16;
/** The user's part ends at the last `@`, because some tools leave an `@` of a password as it is. */
const PARTS = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#@]*)(\/[^?#]*)?(\?[^#]*)?$/;
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Splits a connection URL with several hosts, as libpq reads it, into one URL for each host:
 * `postgres://user:password@a:5432,b:5432/name?target_session_attrs=read-write`. A URL with one
 * host is left as it is, so that all forms that node-postgres reads can be used. An error never
 * contains the URL, because it may have a password.
 */
export function databaseAddresses(url: string): DatabaseAddresses {
  const [, start = '', hosts = '', path = '/', search = ''] = PARTS.exec(url) ?? [];
  const parameters = new URLSearchParams(search);
  requireWritable(parameters.get('target_session_attrs'));
  const database = path.slice(1);
  if (!hosts.includes(',')) return { database, addresses: [{ url, name: hosts }] };
  // node-postgres does not know this parameter.
  parameters.delete('target_session_attrs');
  const rest = parameters.size === 0 ? path : `${path}?${parameters}`;
  const names = hosts.split(',');
  if (names.length > MAX_HOSTS)
    throw new ConfigError(`DATABASE_URL has more than ${MAX_HOSTS} hosts`);
  if (names.some((name) => !HOST.test(name)))
    throw new ConfigError(
      'DATABASE_URL has a host or port that cannot be read; write each as host:port, and an IPv6 address as [address]:port',
    );
  return { database, addresses: names.map((name) => ({ url: `${start}${name}${rest}`, name })) };
}

/** The coordinator writes, so a server that only reads is useless to it. */
function requireWritable(wanted: string | null): void {
  if (wanted !== null && wanted !== 'read-write' && wanted !== 'primary')
    throw new ConfigError(
      `DATABASE_URL: target_session_attrs must be read-write or primary, not ${wanted}`,
    );
}
