import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setting } from '#bus-schemas/settings/settings.ts';
import { migrate } from '#coordinator/migrate.ts';
import {
  DATABASE,
  type NatsNode,
  type NatsNodeOptions,
  type NetworkOptions,
  type PostgresNode,
  type PostgresOptions,
  startLocalPostgres,
} from '#network';
import { cacheFolder, findNatsServer, startNatsServer } from '#provider';
import { startContainerNats } from './containers/nats.ts';
import { startContainerPostgres } from './containers/postgres.ts';
import { startMigratedPostgres } from './postgres/migrated-postgres.ts';
import { chooseRuntime, type Runtime } from './runtime.ts';

/** How a node is started; if absent, `chooseRuntime` decides by DINF_TEST_RUNTIME. */
interface RuntimeChoice {
  readonly runtime?: Runtime;
}

/** The options with which `startNetwork` starts its hub and its database in the chosen runtime. */
export const nodeStarters = (
  runtime: Runtime,
): Pick<NetworkOptions, 'startHub' | 'startPostgres'> =>
  runtime === 'containers'
    ? { startHub: startContainerNats, startPostgres: startContainerPostgres }
    : { startPostgres: startMigratedPostgres };

export async function startPostgres({
  runtime,
  ...options
}: PostgresOptions & RuntimeChoice = {}): Promise<PostgresNode> {
  return (runtime ?? (await chooseRuntime())) === 'containers'
    ? startContainerPostgres(options)
    : startLocalPostgres(options);
}

/** A Postgres with a database that has all tables. */
export type TestDatabase = PostgresNode & {
  /** Connects to the database as the owner of the tables. */
  readonly databaseUrl: string;
};

/** As a local process it is the copy of a migrated one. */
export async function startTestDatabase({
  runtime,
  ...options
}: PostgresOptions & RuntimeChoice = {}): Promise<TestDatabase> {
  await using started = new AsyncDisposableStack();
  const postgres = started.use(
    (runtime ?? (await chooseRuntime())) === 'containers'
      ? await startContainerPostgres(options)
      : await startMigratedPostgres(options),
  );
  const databaseUrl = await postgres.createDatabase(DATABASE);
  await migrate(databaseUrl);
  started.move();
  return Object.assign(postgres, { databaseUrl });
}

export const startNatsHub = (options: NatsNodeOptions & RuntimeChoice): Promise<NatsNode> =>
  startNats('hub', options);

/**
 * A hub without accounts, with JetStream, for tests of one component. `DINF_TEST_HUB_CONFIG` is
 * added to its configuration, for example `feature_flags { js_ack_fc_v2: true }`.
 */
export const startTestHub = (): Promise<NatsNode> =>
  startNatsHub({
    config: ({ host, home, ports }) => `
host: ${host}
port: ${ports.client}
jetstream { store_dir: "${home}/jetstream" }
${setting('DINF_TEST_HUB_CONFIG')}
`,
  });

/** Starts a hub without accounts and JetStream, as a process of this machine. */
export const startBareHub = (): Promise<NatsNode> =>
  startNatsHub({
    runtime: 'local',
    config: ({ host, ports }) => `host: "${host}"\nport: ${ports.client}\n`,
  });

export const startNatsLeaf = (options: NatsNodeOptions & RuntimeChoice): Promise<NatsNode> =>
  startNats('leaf', options);

async function startNats(
  name: string,
  { runtime, ...options }: NatsNodeOptions & RuntimeChoice,
): Promise<NatsNode> {
  if ((runtime ?? (await chooseRuntime())) === 'containers') return startContainerNats(options);
  const home = await mkdtemp(join(tmpdir(), `dinf-${name}-`));
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const server = await startNatsServer({ ...options, binary, home, name });
  const { stop: stopServer } = server;
  const stop = async (): Promise<void> => {
    await stopServer();
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  };
  return Object.assign(server, { stop, [Symbol.asyncDispose]: stop });
}
