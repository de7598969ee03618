import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectToServer } from '#bus-schemas';
import { cacheFolder, findNatsServer, type NatsServer, startNatsServer } from '#provider';
import { replaceAccount } from '../account-resolver.ts';
import { hubConfig } from './hub-config.ts';
import { type OperatorHome, openOperatorHome, prepareOperatorHome } from './operator-home.ts';
import {
  beginCredentialsRotation,
  type CredentialsName,
  finishCredentialsRotation,
} from './rotate-credentials.ts';

let stack: AsyncDisposableStack;
let home: string;
let keys: string;
let operator: OperatorHome;
let hub: NatsServer;
let preparedAt: number;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  home = await mkdtemp(join(tmpdir(), 'dinf-credentials-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  keys = join(home, 'keys');
  operator = await prepareOperatorHome(keys);
  preparedAt = Date.now();
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  hub = stack.use(
    await startNatsServer({
      binary,
      home: join(home, 'hub'),
      config: (place) => hubConfig(place, { operator }),
    }),
  );
});
afterEach(() => stack.disposeAsync());

const read = (name: CredentialsName) => readFile(join(keys, `${name}.creds`), 'utf8');

async function connect(credentials: string): Promise<NatsConnection> {
  const connection = await connectToServer({
    servers: hub.clientUrl,
    authenticator: credsAuthenticator(Buffer.from(credentials)),
    reconnect: false,
  });
  stack.defer(() => connection.close());
  return connection;
}
const isRefused = (credentials: string) =>
  expect(connect(credentials)).rejects.toThrow(/Authorization Violation/i);

/** A hub takes an account from its configuration only if it is not older, in whole seconds. */
const isLaterThanConfiguration = () =>
  vi.waitFor(() => expect(seconds(Date.now())).toBeGreaterThan(seconds(preparedAt)));
const seconds = (ms: number) => Math.floor(ms / 1_000);

const finish = async (name: CredentialsName) => {
  const system = await connect(await read('sys'));
  await finishCredentialsRotation(keys, name, {
    now: Date.now(),
    publish: (accountJwt) => replaceAccount(system, accountJwt),
  });
};

describe('credentials of the bus that leaked', () => {
  test.each(['core', 'sys', 'ops'] as const)(
    '%s.creds are refused after their rotation, also by a hub that lost its accounts',
    async (name) => {
      const leaked = await read(name);
      const attacker = await connect(leaked);
      await beginCredentialsRotation(keys, name);
      const component = await connect(await read(name));
      // Both are valid, so that components can be restarted one after the other.
      await Promise.all([attacker.flush(), component.flush()]);
      await isLaterThanConfiguration();

      await finish(name);
      await attacker.closed();
      await component.flush();
      await isRefused(leaked);

      // The hub has the configuration from before the rotation, and the accounts on its disk.
      await hub.restart();
      await isRefused(leaked);
      await connect(await read(name));

      await hub.kill();
      await rm(join(home, 'hub', 'accounts'), { recursive: true });
      operator = await openOperatorHome(keys);
      await hub.restart();
      await isRefused(leaked);
      await connect(await read(name));
    },
  );
});

describe('the rotation of credentials', () => {
  test('is refused where it has begun already, or has not begun', async () => {
    await expect(finish('core')).rejects.toThrow(/No rotation of core\.creds has begun/);
    await beginCredentialsRotation(keys, 'core');
    const begun = await read('core');
    await expect(beginCredentialsRotation(keys, 'core')).rejects.toThrow(/has begun already/);
    expect(await read('core')).toBe(begun);
    await beginCredentialsRotation(keys, 'ops');
  });

  test('that was interrupted before the new credentials existed cannot revoke the present ones', async () => {
    await copyFile(join(keys, 'core.creds'), join(keys, 'core.creds.old'));
    await expect(finish('core')).rejects.toThrow(/was interrupted/);
    await connect(await read('core'));
    await beginCredentialsRotation(keys, 'core');
    await finish('core');
    await connect(await read('core'));
  });

  test('that could not reach a hub revokes the same credentials when it is repeated', async () => {
    const leaked = await read('core');
    await beginCredentialsRotation(keys, 'core');
    const unreachable = { now: Date.now(), publish: () => Promise.reject(new Error('no hub')) };
    await expect(finishCredentialsRotation(keys, 'core', unreachable)).rejects.toThrow('no hub');
    await connect(leaked);
    await finish('core');
    await isRefused(leaked);
  });
});
