import type { Pool, PoolClient } from 'pg';

/** Before the statement reached the database, or after it was done and before anybody heard. */
export type CrashPoint = 'before' | 'after';

export class Crash extends Error {}

/**
 * A pool over the real one that dies at statements that `next` names: the connection is cut, as
 * when the process is killed
 * there, and the caller sees a Crash.
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
  // The socket closes as a killed process's would: without a word of the protocol.
  const { connection } = client as unknown as {
    connection: { stream: { destroy(): void; closed: boolean } };
  };
  connection.stream.destroy();
  throw new Crash('killed here');
}
