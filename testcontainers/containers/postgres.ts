import { randomBytes } from 'node:crypto';
import { setting } from '#bus-schemas/settings/settings.ts';
import {
  createDatabase,
  POSTGRES_SETTINGS,
  POSTGRES_USER,
  type PostgresNode,
  type PostgresOptions,
} from '#network';
import { startContainer } from './container.ts';

const INSIDE = 5432;

export async function startContainerPostgres({
  settings = {},
}: PostgresOptions): Promise<PostgresNode> {
  const password = randomBytes(18).toString('base64url');
  const running = await startContainer({
    image: setting('DINF_TEST_POSTGRES_IMAGE'),
    environment: { POSTGRES_USER, POSTGRES_PASSWORD: password, POSTGRES_DB: 'postgres' },
    command: [
      'postgres',
      ...Object.entries({ ...POSTGRES_SETTINGS, ...settings }).flatMap(([name, value]) => [
        '-c',
        `${name}=${value}`,
      ]),
    ],
    ports: [INSIDE],
    // The image first starts the server for its own setup, which writes the same line once before.
    ready: /database system is ready to accept connections/,
    readyTimes: 2,
  });
  const port = running.port(INSIDE);
  const url = `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${port}/postgres`;
  return {
    port,
    url,
    createDatabase: (name) => createDatabase(url, name),
    logs: running.logs,
    kill: running.kill,
    restart: running.restart,
    stop: running.stop,
    [Symbol.asyncDispose]: running.stop,
  };
}
