import { existsSync } from 'node:fs';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';
import type { Bus } from '#coordinator/bus.ts';
import type { Config } from '#coordinator/config.ts';

/** Time that the hub has to accept the connection, in milliseconds. */
const HUB_TIMEOUT_MS = 5_000;

/**
 * Reads the settings. The environment has precedence over a running `dinf up`, and that over the
 * plan of a network that was founded in this home.
 */
export async function settings(): Promise<Config> {
  const { readConfig } = await import('#coordinator/config.ts');
  const { planSettings } = await import('#coordinator/founding/network-plan.ts');
  const { homeFolder, runningSettings } = await import('#bus-schemas/running-network.ts');
  const home = homeFolder(process.env);
  return readConfig({ ...planSettings(home), ...runningSettings(home), ...process.env });
}

/** Ends the command with advice if the home has no network, instead of making new keys in it. */
export function refuseWithoutNetwork({ coreCredentials, home }: Config): void {
  if (existsSync(coreCredentials)) return;
  throw new CommandError(
    EXIT.usage,
    `There is no network in ${home}: ${coreCredentials} is missing. "dinf up" runs a network on this machine, "dinf network init" founds one for several machines, and DINF_HOME names the home of an existing one.`,
  );
}

/**
 * Calls `work` with a connection to the hub. A hub that does not answer within five seconds is an
 * error, because a user waits at the prompt.
 */
export async function withBus<T>(work: (bus: Bus) => Promise<T>): Promise<T> {
  const config = await settings();
  const { connectToServer } = await import('#bus-schemas');
  const { hubConnection } = await import('#coordinator/connect-bus.ts');
  const { AuditedBus } = await import('#coordinator/audited-bus.ts');
  const away = (cause: unknown) =>
    new CommandError(
      EXIT.unavailable,
      `No hub answers at ${config.natsUrls.join(', ')} with the keys in ${config.home}. Is the network running (dinf up)?`,
      {
        cause,
      },
    );
  refuseWithoutNetwork(config);
  const connection = await connectToServer({
    ...(await hubConnection(config, config.coreCredentials)),
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
