import { setTimeout as delay } from 'node:timers/promises';
import { Client, type ClientBase, DatabaseError } from 'pg';
import { SERVICE_ROLE } from './check-connection.ts';
import { DatabaseRefused } from './errors.ts';
import type { Primary } from './primary.ts';

type OnConnect = Parameters<Client['connect']>[0];
const DEFAULT_PORT = 5432;

/**
 * Returns the class of clients that connect to the server that is the primary at that moment. A
 * caller waits at most `limitMs` milliseconds for the search; a longer search goes on without it.
 */
export function clientOf(primary: Primary, limitMs: number): new () => ClientBase {
  return class PrimaryClient extends Client {
    override connect(): Promise<Client>;
    override connect(callback: OnConnect): void;
    override connect(callback?: OnConnect): Promise<Client> | undefined {
      const connected = this.#connect();
      if (callback === undefined) return connected;
      const answer = callback as (error: Error | null, client?: Client) => void;
      connected.then((client) => answer(null, client), answer);
      return undefined;
    }

    async #connect(): Promise<Client> {
      const built = primary.current;
      try {
        const address = await within(limitMs, primary.find());
        if (address !== built) {
          const { hostname, port } = new URL(address.url);
          this.host = hostname.replace(/^\[(.*)\]$/, '$1');
          this.port = port === '' ? DEFAULT_PORT : Number(port);
        }
        return await super.connect();
      } catch (error) {
        primary.doubt();
        if (isOptionsRefusal(error)) throw new DatabaseRefused('startup_options', { cause: error });
        if (isUnknownRole(error)) throw new DatabaseRefused('migrations_pending', { cause: error });
        throw error;
      }
    }
  };
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = async (): Promise<never> => {
    await delay(limitMs, undefined, { signal: timer.signal, ref: false });
    throw new Error(`no primary was found within ${limitMs} ms`);
  };
  try {
    return await Promise.race([work, late()]);
  } finally {
    timer.abort();
  }
}

/** pgbouncer has no error code of its own for this refusal. */
function isOptionsRefusal(error: unknown): boolean {
  return (
    error instanceof DatabaseError && /unsupported startup parameter.*options/.test(error.message)
  );
}

/** The role is created by the first migration. The code 22023 is that of every wrong parameter. */
function isUnknownRole(error: unknown): boolean {
  return (
    error instanceof DatabaseError && error.code === '22023' && error.message.includes(SERVICE_ROLE)
  );
}
