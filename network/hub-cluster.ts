import { join } from 'node:path';
import { hubConfig, type OperatorHome } from '#coordinator';
import { LaunchError, type NatsServer, startNatsServer } from '#provider';
import { freePort } from './free-port.ts';

export interface HubCluster extends AsyncDisposable {
  readonly hubs: readonly NatsServer[];
}

export interface HubClusterOptions {
  readonly natsServer: string;
  readonly home: string;
  readonly operator: OperatorHome;
  readonly count: number;
}

const ATTEMPTS = 5;
const LEADER_MS = 60_000;

/** Hubs that share accounts and subscriptions over routes, as local processes. */
export async function startHubCluster(options: HubClusterOptions): Promise<HubCluster> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnFreePorts(options);
    } catch (error) {
      // Another process has taken one of the route ports since they were found free.
      if (
        attempt === ATTEMPTS ||
        !(error instanceof LaunchError) ||
        error.code !== 'address_in_use'
      )
        throw error;
    }
  }
}

async function startOnFreePorts({
  natsServer,
  home,
  operator,
  count,
}: HubClusterOptions): Promise<HubCluster> {
  await using started = new AsyncDisposableStack();
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`);
  // Together: JetStream of a hub is ready when most of the cluster is there.
  const starts = await Promise.allSettled(
    ports.map(async (port, index) => {
      const server = `hub-${index}`;
      const config = (place: Parameters<typeof hubConfig>[0]) =>
        hubConfig(place, { operator, cluster: { server, port, routes } });
      return started.use(
        await startNatsServer({
          binary: natsServer,
          home: join(home, server),
          name: server,
          config,
        }),
      );
    }),
  );
  const failed = starts.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  const hubs = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  // Until a leader is chosen no stream can be made.
  await Promise.all(
    hubs.map((hub) => hub.whenLine((line) => line.includes('metadata leader'), LEADER_MS)),
  );
  const owned = started.move();
  return { hubs, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
