import { Client } from 'pg';
import { messageOf } from '#bus-schemas/message-of.ts';
import { type DatabaseAddress, type DatabaseAddresses, databaseAddresses } from './addresses.ts';
import { DatabaseRefused, namesOf } from './errors.ts';

/** A server that does not answer within this time is skipped, in milliseconds. */
const PROBE_MS = 2_000;
/**
 * Pause before the next search after no server was a primary, in milliseconds, for example during a
 * promotion.
 */
const NEXT_SEARCH_MS = 250;

export interface PrimaryOptions {
  readonly probe?: (address: DatabaseAddress) => Promise<void>;
  readonly now?: () => number;
}

/**
 * Finds the server that accepts writes among the hosts of a `DATABASE_URL`, and remembers it until
 * a connection to it fails. Callers that ask at the same time share one search.
 */
export class Primary {
  readonly #addresses: DatabaseAddresses['addresses'];
  readonly #probe: (address: DatabaseAddress) => Promise<void>;
  readonly #now: () => number;
  #current: DatabaseAddress;
  #isTrusted: boolean;
  /** A connection to it failed: it may be down, and trying it may cost the whole time. */
  #suspect: DatabaseAddress | undefined;
  #search: Promise<DatabaseAddress> | undefined;
  #failure: { readonly error: unknown; readonly until: number } | undefined;

  constructor(
    url: string,
    { probe = probeServer, now = () => performance.now() }: PrimaryOptions = {},
  ) {
    this.#addresses = databaseAddresses(url).addresses;
    this.#probe = probe;
    this.#now = now;
    this.#current = this.#addresses[0] as DatabaseAddress;
    // A single host needs no search: each new connection is checked in any case.
    this.#isTrusted = this.#addresses.length === 1;
  }

  /** The address that was found last; the first one before any search. */
  get current(): DatabaseAddress {
    return this.#current;
  }

  /** The next caller searches again, because a connection failed or turned read-only. */
  doubt(): void {
    if (this.#addresses.length === 1 || !this.#isTrusted) return;
    this.#isTrusted = false;
    this.#suspect = this.#current;
  }

  /** Fails when no host is a primary. Each host takes at most `PROBE_MS`. */
  async find(): Promise<DatabaseAddress> {
    if (this.#isTrusted) return this.#current;
    if (this.#failure !== undefined && this.#now() < this.#failure.until) throw this.#failure.error;
    this.#search ??= this.#searchAll().finally(() => {
      this.#search = undefined;
    });
    return this.#search;
  }

  /** Tries the hosts in order, the suspect last. */
  async #searchAll(): Promise<DatabaseAddress> {
    const suspect = this.#suspect;
    const others = this.#addresses.filter((address) => address !== suspect);
    const failures: string[] = [];
    for (const address of suspect === undefined ? others : [...others, suspect]) {
      try {
        await this.#probe(address);
        this.#current = address;
        this.#isTrusted = true;
        this.#suspect = undefined;
        this.#failure = undefined;
        return address;
      } catch (error) {
        failures.push(`${address.name}: ${messageOf(error)}`);
      }
    }
    const error = new Error(
      `none of ${namesOf(this.#addresses)} is a primary that accepts writes (${failures.join('; ')})`,
    );
    this.#failure = { error, until: this.#now() + NEXT_SEARCH_MS };
    throw error;
  }
}

async function probeServer({ url }: DatabaseAddress): Promise<void> {
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: PROBE_MS,
    query_timeout: PROBE_MS,
    application_name: 'dinf probe',
  });
  // A server that dies during the probe reports its error outside of any statement, too.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ transaction_read_only: string }>(
      'SHOW transaction_read_only',
    );
    if (rows[0]?.transaction_read_only !== 'off') throw new DatabaseRefused('read_only');
  } finally {
    // A server without power never confirms the end of the connection: do not wait for it.
    client.end().catch(() => undefined);
  }
}
