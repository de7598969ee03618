import { connect } from '@nats-io/transport-node';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { startNatsHub, startPostgres } from './nodes.ts';
import { chooseRuntime, type Runtime, whyNoContainers } from './runtime.ts';

const missing = await whyNoContainers();
const runtimes: Runtime[] = ['local', 'containers'];

const hubConfig = ({
  host,
  home,
  ports,
}: {
  host: string;
  home: string;
  ports: { client: number; leaf: number; monitor: number };
}) => `
host: "${host}"
port: ${ports.client}
http: "${host}:${ports.monitor}"
leafnodes { host: "${host}", port: ${ports.leaf} }
jetstream { store_dir: "${home}/jetstream" }
`;

describe.each(runtimes)('hub and database, started as %s', (runtime) => {
  const skipped = runtime === 'containers' && missing !== undefined;
  const name = (text: string) => (skipped ? `${text} (skipped: ${missing})` : text);

  test.skipIf(skipped)(
    name('a hub delivers messages, and does so again at the same address after a kill'),
    { timeout: 120_000 },
    async () => {
      await using hub = await startNatsHub({ runtime, config: hubConfig });
      for (const round of ['first', 'after the kill']) {
        const connection = await connect({ servers: hub.clientUrl });
        const subscription = connection.subscribe('greeting', { max: 1 });
        connection.publish('greeting', round);
        for await (const message of subscription) expect(message.string()).toBe(round);
        await connection.close();
        if (round === 'first') {
          await hub.kill();
          await hub.restart();
        }
      }
    },
  );

  test.skipIf(skipped)(
    name('a database keeps what was committed before a kill'),
    { timeout: 120_000 },
    async () => {
      await using postgres = await startPostgres({ runtime });
      const url = await postgres.createDatabase('kept');
      const ask = async (text: string) => {
        const client = new Client({ connectionString: url });
        await client.connect();
        try {
          return (await client.query(text)).rows;
        } finally {
          await client.end();
        }
      };
      await ask('CREATE TABLE facts AS SELECT 42 AS answer');
      await postgres.kill();
      await postgres.restart();
      expect(await ask('SELECT answer FROM facts')).toEqual([{ answer: 42 }]);
    },
  );
});

describe('the chosen runtime', () => {
  test('is the one that DINF_TEST_RUNTIME names, and an unknown name is an error', async () => {
    expect(await chooseRuntime({ DINF_TEST_RUNTIME: 'local' })).toBe('local');
    await expect(chooseRuntime({ DINF_TEST_RUNTIME: 'cloud' })).rejects.toThrow('cloud');
  });

  test('is containers by default if a container engine answers, and local otherwise', async () => {
    expect(await chooseRuntime({})).toBe(missing === undefined ? 'containers' : 'local');
  });

  test.skipIf(missing === undefined)(
    'containers is an error that gives the reason if no engine answers',
    async () => {
      await expect(chooseRuntime({ DINF_TEST_RUNTIME: 'containers' })).rejects.toThrow(
        'no container engine',
      );
    },
  );
});
