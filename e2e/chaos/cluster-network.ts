import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { expect, vi } from 'vitest';
import { services } from '#bus-schemas';
import type { NatsNode } from '#network';
import type { NatsServer } from '#provider';
import { HubRoutes, RawLeaf } from '#testcontainers';
import { credentialsOf } from '../attackers.ts';
import { readStream } from '../read-stream.ts';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const HUBS = 3;
const CALL = { timeoutMs: 30_000 };

export interface ClusterOptions {
  readonly providers: number;
  readonly maxConcurrency: number;
  readonly tokenMs: number;
}

/** How the streams of a test ended. */
interface StreamEnds {
  /** Byte-identical to what the simulator generates. */
  readonly whole: number;
  /** Ended with one error event, after a part of the text. */
  readonly cut: number;
  /** Refused with an error before the first content. */
  readonly refused: number;
}

/** Streams that are under way. */
export interface OpenStreams {
  /** Resolves when all have ended. Throws if one of them ended in another way than allowed. */
  readonly ends: Promise<StreamEnds>;
}

/** A network on three hubs, of which a test can stop, freeze and isolate some. */
export class ClusterNetwork implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly routes: HubRoutes;
  readonly #system: NatsConnection;

  private constructor(network: TestNetwork, routes: HubRoutes, system: NatsConnection) {
    this.network = network;
    this.routes = routes;
    this.#system = system;
  }

  static async start(options: ClusterOptions): Promise<ClusterNetwork> {
    const routes = new HubRoutes();
    const network = await startTestNetwork({ ...options, clusterOf: HUBS, routeUrl: routes.url });
    const { hubs, home } = network.network;
    const system = await connect({
      servers: hubs.map(({ clientUrl }) => clientUrl),
      authenticator: credsAuthenticator(readFileSync(join(home, 'keys/sys.creds'))),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      pingInterval: 1_000,
    });
    return new ClusterNetwork(network, routes, system);
  }

  hub(index: number): NatsNode {
    return this.network.network.hubs[index] as NatsNode;
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.#process(index).signal(signal);
  }

  /** Lets the hub hand over its work and its clients, and starts it again when it has ended. */
  async restartInOrder(index: number): Promise<void> {
    const hub = this.#process(index);
    hub.signal('SIGUSR2');
    await hub.exited;
    await hub.restart();
  }

  #process(index: number): NatsServer {
    const hub = this.hub(index);
    if (!('exited' in hub)) throw new Error('the hubs of a cluster are processes');
    return hub as NatsServer;
  }

  /** The hubs that the leaf of each machine is connected to, in the order of the providers. */
  async hubsOfLeaves(): Promise<(number | undefined)[]> {
    const hubOf = new Map<string, number>();
    const answers = await this.#system.requestMany('$SYS.REQ.SERVER.PING.LEAFZ', '', {
      strategy: 'stall',
      maxWait: 1_000,
    });
    for await (const message of answers) {
      const { server, data } = message.json<{
        server: { name: string };
        data: { leafs?: { account: string }[] };
      }>();
      const hub = Number(server.name.slice('hub-'.length));
      for (const { account } of data.leafs ?? []) hubOf.set(account, hub);
    }
    return this.network.providers.map(({ id }) => hubOf.get(id));
  }

  /** Waits until each machine is connected to a hub that is not `dead`. Returns how long it took. */
  async allMoved(dead: number): Promise<number> {
    const since = performance.now();
    await vi.waitFor(
      async () => {
        for (const hub of await this.hubsOfLeaves()) expect([undefined, dead]).not.toContain(hub);
      },
      { interval: 20, timeout: 60_000 },
    );
    return performance.now() - since;
  }

  /** The hub of most machines. */
  async busiestHub(): Promise<number> {
    const hubs = await this.hubsOfLeaves();
    const machinesOf = (index: number) => hubs.filter((hub) => hub === index).length;
    return [0, 1, 2].toSorted((a, b) => machinesOf(b) - machinesOf(a))[0] as number;
  }

  /**
   * Has every hub load the account of every machine, as hubs have after some weeks: only then do
   * they count its connections over the cluster.
   */
  async makeKnownToAllHubs(): Promise<void> {
    for (const [index] of this.network.providers.entries())
      for (const hub of this.network.network.hubs)
        await vi.waitFor(async () => {
          using second = await RawLeaf.connect({
            url: hub.leafUrl,
            credentialsFile: credentialsOf(this.network, index),
            server: 'second',
          });
          expect(second.isOpen).toBe(false);
        });
  }

  /** Waits until each stream has a leader and every replica has every fact. */
  async allReplicasCurrent(): Promise<void> {
    const manager = await this.network.network.coordinator.bus.manager();
    await vi.waitFor(
      async () => {
        for await (const { cluster, config } of manager.streams.list()) {
          expect(config.num_replicas).toBe(HUBS);
          expect(cluster?.replicas?.map(({ current }) => current)).toEqual([true, true]);
        }
      },
      { interval: 200, timeout: 60_000 },
    );
  }

  /** Opens streams, and resolves when each of them has delivered some content. */
  async openStreams(count: number, maxTokens: number): Promise<OpenStreams> {
    const underWay = Promise.withResolvers<void>();
    let waiting = count;
    const reading = Array.from({ length: count }, async (_, index) => {
      const messages = [{ role: 'user', content: `Story number ${index}, please.` }];
      let hasBegun = false;
      const begin = () => {
        if (hasBegun) return;
        hasBegun = true;
        waiting -= 1;
        if (waiting === 0) underWay.resolve();
      };
      const answer = await readStream(
        this.network,
        { model: 'sim-llama-8b', messages, max_tokens: maxTokens },
        { onContent: begin },
      ).finally(begin);
      return endOf(answer, expectedText(messages, maxTokens));
    });
    await underWay.promise;
    return {
      ends: Promise.all(reading).then((ends) => {
        const number = (wanted: keyof StreamEnds) => ends.filter((end) => end === wanted).length;
        return { whole: number('whole'), cut: number('cut'), refused: number('refused') };
      }),
    };
  }

  /** Checks that every job has ended once, in the ledger and in the stream of facts. */
  async expectNothingLost(): Promise<void> {
    const { bus } = this.network.network.coordinator;
    const charges = await this.network.charges();
    expect(await bus.flushEvents(30_000)).toBe(true);
    expect(bus.droppedEvents).toBe(0);
    const manager = await bus.manager();
    await vi.waitFor(async () => {
      const ended = await manager.streams.info('JOBS', { subjects_filter: 'evt.job.ended' });
      expect(ended.state.subjects).toEqual({ 'evt.job.ended': charges.length });
    });
    expect(await bus.call(services.settlement.verify, { full: true }, CALL)).toMatchObject({
      ok: true,
      openHolds: 0,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.routes.heal();
    await this.#system.close();
    await this.network[Symbol.asyncDispose]();
    await this.routes[Symbol.asyncDispose]();
  }
}

function endOf(
  { status, text, done, errors }: Awaited<ReturnType<typeof readStream>>,
  whole: string,
): keyof StreamEnds {
  if (status !== 200) {
    expect(errors).toHaveLength(1);
    return 'refused';
  }
  if (done === 1) {
    expect({ text, errors }).toEqual({ text: whole, errors: [] });
    return 'whole';
  }
  expect(whole.startsWith(text)).toBe(true);
  expect({ done, errors }).toEqual({ done: 0, errors: [expect.anything()] });
  return 'cut';
}
