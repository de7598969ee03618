import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Client, type Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { PostgresNode } from '#network';
import { startPostgres } from '#testcontainers';
import { connectDatabase } from './database.ts';
import { transaction } from './sql.ts';

let first: PostgresNode;
let second: PostgresNode;
beforeAll(async () => {
  [first, second] = await Promise.all([startPostgres(), startPostgres()]);
  for (const server of [first, second])
    await onServer(
      server.url,
      'CREATE ROLE dinf_service',
      'CREATE TABLE writes (n int)',
      'GRANT INSERT ON writes TO dinf_service',
      "ALTER ROLE dinf PASSWORD 'the same'",
    );
}, 120_000);
afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
});

let pool: Pool | undefined;
beforeEach(() => setWritable(first, true));
afterEach(async () => {
  await pool?.end();
  pool = undefined;
});

const PASSWORD = 'the%20same';
const urlOf = (...ports: number[]) =>
  `postgres://dinf:${PASSWORD}@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/postgres?target_session_attrs=read-write`;

async function onServer(url: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/**
 * Makes a server read-only or writable, like tools that fence an old primary. A standby refuses
 * writes with the same error.
 */
const setWritable = (server: PostgresNode, isWritable: boolean) =>
  onServer(
    urlOf(server.port),
    `ALTER SYSTEM SET default_transaction_read_only = ${isWritable ? 'off' : 'on'}`,
    'SELECT pg_reload_conf()',
  );

function connect(...ports: number[]): Pool {
  pool = connectDatabase(urlOf(...ports), { max: 2 });
  pool.on('error', () => undefined);
  return pool;
}

async function portOf(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ port: number }>('SELECT inet_server_port() AS port');
  return rows[0]?.port as number;
}

const write = 'INSERT INTO writes VALUES (1)';

test('a pool skips a server that refuses, one that does not answer and one that is read-only', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const refusing = createServer().listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  const closed = (refusing.address() as AddressInfo).port;
  refusing.close();
  await setWritable(first, false);
  const database = connect(closed, (silent.address() as AddressInfo).port, first.port, second.port);
  await expect.poll(() => portOf(database).catch(String)).toBe(second.port);
  silent.close();
});

test.each(['a statement', 'a transaction'])(
  'after %s failed because the server became read-only, the next one goes to the new primary',
  async (kind) => {
    const database = connect(first.port, second.port);
    const run = () =>
      kind === 'a statement'
        ? database.query(write)
        : transaction(database, (client) => client.query(write));
    await run();
    expect(await portOf(database)).toBe(first.port);
    await setWritable(first, false);
    await expect.poll(() => run().catch(({ code }) => code)).toBe('25006');
    await run();
    expect(await portOf(database)).toBe(second.port);
  },
);

test('with one host, a read-only server is refused with its reason', async () => {
  await setWritable(first, false);
  await expect(connect(first.port).query(write)).rejects.toThrow('the server is read-only');
});

test('a connection without the role of the components is refused', async () => {
  const database = connect(first.port);
  // A pooler that drops the setting has the same effect on a connection.
  Object.assign(database.options, { options: '' });
  await expect(database.query(write)).rejects.toThrow('does not have the role dinf_service');
});

test('after the primary is killed, statements reach the next host', async () => {
  const database = connect(first.port, second.port);
  expect(await portOf(database)).toBe(first.port);
  await first.kill();
  await expect.poll(() => portOf(database).catch(String)).toBe(second.port);
  await first.restart();
});

test('a transaction whose process does nothing loses its locks after five seconds', {
  timeout: 30_000,
}, async () => {
  await onServer(
    urlOf(first.port),
    'CREATE TABLE IF NOT EXISTS locked (n int)',
    'INSERT INTO locked VALUES (1)',
    'GRANT SELECT, UPDATE ON locked TO dinf_service',
  );
  const database = connect(first.port);
  const frozen = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holding = transaction(database, async (client) => {
    await client.query('UPDATE locked SET n = 2');
    locked.resolve();
    await frozen.promise;
    await client.query('SELECT 1');
  });
  await locked.promise;
  const startedAt = performance.now();
  await database.query('UPDATE locked SET n = 3');
  expect(performance.now() - startedAt).toBeGreaterThan(3_000);
  frozen.resolve();
  await expect(holding).rejects.toThrow();
  expect((await database.query('SELECT n FROM locked')).rows).toEqual([{ n: 3 }]);
});
