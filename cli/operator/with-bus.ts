import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import type { Config } from '#coordinator/config.ts';

/** Time that the hub has to accept the connection, in milliseconds. */
const HUB_TIMEOUT_MS = 5_000;

/** The environment goes before what a running `dinf up` says. */
export async function settings(): Promise<Config> {
  const { ConfigError, readConfig } = await import('#coordinator/config.ts');
  const { homeFolder, runningSettings } = await import('#bus-schemas/running-network.ts');
  try {
    return readConfig({ ...runningSettings(homeFolder(process.env)), ...process.env });
  } catch (error) {
    throw error instanceof ConfigError ? new CommandError(EXIT.usage, error.message) : error;
  }
}

/** A hub that does not answer soon is an error here: nobody wants to wait at a prompt for ever. */
export async function withBus<T>(work: (bus: Bus) => Promise<T>): Promise<T> {
  const config = await settings();
  const { credsAuthenticator } = await import('@nats-io/transport-node');
  const { connectToServer } = await import('#bus-schemas');
  const { readFile } = await import('node:fs/promises');
  const { AuditedBus } = await import('#coordinator/audited-bus.ts');
  const away = (cause: unknown) =>
    new CommandError(
      EXIT.unavailable,
      `No hub answers at ${config.natsUrls.join(', ')} with the keys in ${config.home}. Is the network running (dinf up)?`,
      {
        cause,
      },
    );
  const credentials = await readFile(config.coreCredentials).catch((cause: unknown) => {
    throw away(cause);
  });
  const connection = await connectToServer({
    servers: [...config.natsUrls],
    authenticator: credsAuthenticator(credentials),
    name: 'dinf',
    timeout: HUB_TIMEOUT_MS,
  }).catch((cause: unknown) => {
    throw away(cause);
  });
  try {
    return await work(new AuditedBus(connection));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'unavailable') {
      throw new CommandError(
        EXIT.unavailable,
        'The hub is there, but the coordinator does not answer.',
        { cause },
      );
    }
    throw cause;
  } finally {
    await connection.close();
  }
}
