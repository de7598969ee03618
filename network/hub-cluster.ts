import { join } from 'node:path';
import { allEnded } from '#bus-schemas';
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
  /** Addresses of the routes, for a test that breaks some of them; by default those of the hubs. */
  readonly routeUrl?: RouteUrl;
}

/** Returns the address at which one hub reaches the other, which listens on `port`. */
export type RouteUrl = (route: { from: number; to: number; port: number }) => Promise<string>;

const directRoute: RouteUrl = async ({ port }) => `nats-route://127.0.0.1:${port}`;
/** Hubs tell one another this address, at which nothing listens, so that all use `routeUrl`. */
const NO_ADDRESS = '127.0.0.1:1';

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
  routeUrl,
}: HubClusterOptions): Promise<HubCluster> {
  await using started = new AsyncDisposableStack();
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  const routesFrom = (from: number) =>
    Promise.all(ports.map((port, to) => (routeUrl ?? directRoute)({ from, to, port })));
  // Together: JetStream of a hub is ready when most of the cluster is there.
  const hubs = await allEnded(
    ...ports.map(async (port, index) => {
      const server = `hub-${index}`;
      const routes = await routesFrom(index);
      const cluster = { server, port, routes, ...(routeUrl && { advertise: NO_ADDRESS }) };
      const config = (place: Parameters<typeof hubConfig>[0]) =>
        hubConfig(place, { operator, cluster });
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
  // Until a leader is chosen no stream can be made.
  await Promise.all(
    hubs.map((hub) => hub.whenLine((line) => line.includes('metadata leader'), LEADER_MS)),
  );
  const owned = started.move();
  return { hubs, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
