import type { Pool, PoolClient } from 'pg';

/**
 * `before`: the statement has not reached the database. `after`: the database has executed the
 * statement, but the caller has not received the result.
 */
export type CrashPoint = 'before' | 'after';

export class Crash extends Error {}

/** A crash `after` so many statements since the crash before it. */
export interface PlannedCrash {
  readonly after: number;
  readonly point: CrashPoint;
}

/** Returns a function that is called for each statement and names the crash that is planned for it. */
export function crashesInTurn(planned: readonly PlannedCrash[]): () => CrashPoint | undefined {
  const crashes = [...planned];
  let statements = 0;
  return () => {
    const [crash] = crashes;
    if (crash === undefined || statements++ < crash.after) return undefined;
    crashes.shift();
    statements = 0;
    return crash.point;
  };
}

/**
 * Returns a proxy of the real pool that calls `next` for each statement. When `next` returns a
 * crash point, the proxy cuts the connection there, as if the process were killed, and throws a
 * Crash.
 */
export function crashingPool(pool: Pool, next: () => CrashPoint | undefined): Pool {
  const run = async (client: PoolClient, values: unknown[]): Promise<unknown> => {
    const point = next();
    if (point === 'before') return cut(client);
    const result = await (client.query as (...all: unknown[]) => Promise<unknown>).apply(
      client,
      values,
    );
    return point === 'after' ? cut(client) : result;
  };
  const connect = async (): Promise<PoolClient> => {
    const client = await pool.connect();
    return new Proxy(client, {
      get(target, property) {
        if (property === 'query') return (...values: unknown[]) => run(target, values);
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  const query = async (...values: unknown[]): Promise<unknown> => {
    const client = await pool.connect();
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on('error', onError);
    try {
      return await run(client, values);
    } catch (error) {
      if (error instanceof Crash) broken = error;
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  };
  return new Proxy(pool, {
    get(target, property) {
      if (property === 'connect') return connect;
      if (property === 'query') return query;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function cut(client: PoolClient): Promise<never> {
  // The socket closes without a Postgres Terminate message, like that of a killed process.
  const { connection } = client as unknown as {
    connection: { stream: { destroy(): void; closed: boolean } };
  };
  connection.stream.destroy();
  throw new Crash('the connection was cut at a crash point');
}
