import { connect } from '@nats-io/transport-node';
import { Pool } from 'pg';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import {
  type Announcement,
  core,
  events,
  Hello,
  inCell,
  JobAttempt,
  JobEnded,
  type MessageOf,
  newJobId,
  type Reserve,
  type RoutingSwitch,
  randomToken,
  SUITE_ID,
  services,
  type Verdict,
} from '#bus-schemas';
import { Bus, endpoint } from '#coordinator/bus.ts';
import { readConfig } from '#coordinator/config.ts';
import { connectDatabase } from '#coordinator/database.ts';
import { ensureStreams } from '#coordinator/streams.ts';
import { startTcpProxy, startTestDatabase, startTestHub } from '#testcontainers';
import { announcement, slot } from '../core/fleet-under-test.ts';
import { startRouting } from '../service.ts';

const BUILD = 'sim-llama-8b-q4';
const CALL = { timeoutMs: 20_000 };
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The id of the n-th machine. */
export const machine = (index: number): string =>
  `A${'B'.repeat(52)}${[1_024, 32, 1].map((unit) => LETTERS[Math.floor(index / unit) % 32]).join('')}`;

export interface RouterProcess extends AsyncDisposable {
  /** Lines of its log, as objects. */
  readonly log: readonly { readonly msg: string; readonly level: number }[];
  /** Cuts it off from hub and database, as if its machine were switched off. */
  kill(): Promise<void>;
}

export type RoutersUnderTest = Awaited<ReturnType<typeof startRoutersUnderTest>>;

/** A hub and a Postgres, on which routers start and end. The test speaks as machines and ingress. */
export async function startRoutersUnderTest(machines: number) {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startTestHub());
  const postgres = stack.use(await startTestDatabase({ settings: { log_statement: 'mod' } }));
  const directUrl = postgres.databaseUrl;
  const proxy = stack.use(await startTcpProxy({ host: '127.0.0.1', port: postgres.port }));
  const proxied = new URL(directUrl);
  proxied.host = `${proxy.host}:${proxy.port}`;
  const owner = new Pool({ connectionString: directUrl, max: 2 });
  owner.on('error', () => undefined);
  stack.defer(() => owner.end());
  const connection = await connect({ servers: hub.clientUrl });
  stack.defer(() => connection.close());
  const bus = new Bus(connection);
  await ensureStreams(bus);
  const ids = Array.from({ length: machines }, (_, index) => machine(index)).toSorted();
  stack.use(
    await bus.serve('trust', [
      endpoint(services.trust.verdicts, ({ limit, after = '' }) => ({
        verdicts: ids
          .filter((id) => id > after)
          .slice(0, limit)
          .map(verdictOf),
      })),
    ]),
  );

  const start = async (): Promise<RouterProcess> => {
    await using own = new AsyncDisposableStack();
    const { hostname, port } = new URL(hub.clientUrl);
    const hubProxy = own.use(await startTcpProxy({ host: hostname, port: Number(port) }));
    const natsConnection = await connect({
      servers: `nats://${hubProxy.host}:${hubProxy.port}`,
      maxReconnectAttempts: -1,
    });
    own.defer(() => natsConnection.close());
    const database = connectDatabase(proxied.href, { max: 4 });
    database.on('error', () => undefined);
    own.defer(async () => void (database.ended || (await database.end())));
    const lines: { msg: string; level: number }[] = [];
    const component = await startRouting({
      bus: new Bus(natsConnection),
      database,
      config: readConfig({}),
      log: pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) }),
      metrics: new Registry(),
      now: Date.now,
    });
    own.defer(() => component[Symbol.asyncDispose]());
    const owned = own.move();
    return {
      log: lines,
      kill: async () => {
        await database.end();
        hubProxy.cut();
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  };

  let sequence = 0;
  const hello = (id: string, changes: Partial<Announcement> = {}): void => {
    sequence += 1;
    bus.publish(
      core.everyUp('hello').replace('*', id),
      Hello,
      announcement({ sequence, sealing: SEALING, ...changes }, [
        slot({ build: BUILD, maxConcurrency: 100 }),
      ]),
    );
  };
  /** Asks for a slot; `only` names the machine that is wanted. */
  const reserve = (only?: string, changes: Partial<Reserve> = {}) => {
    const request: Reserve = {
      job: newJobId(),
      account: `acct_${randomToken(12)}`,
      model: 'sim',
      builds: [BUILD],
      promptTokens: 100,
      maxOutputTokens: 100,
      patienceMs: 0,
      exclude: [],
      ...(only && { only: [only] }),
      ...changes,
    };
    return bus
      .call(inCell(services.routing.reserve, 0), request, CALL)
      .then((reply) => ({ ...reply, request }));
  };
  const explain = async () =>
    (await bus.call(services.routing.explain, SMALL, CALL)).slots as readonly Slot[];
  const owned = stack.move();
  return {
    start,
    hello,
    reserve,
    setSwitch: (name: RoutingSwitch, isOn: boolean) =>
      bus.call(services.routing.setSwitch, { name, isOn }, CALL),
    switches: () => bus.call(services.routing.switches, {}, CALL),
    explain,
    slotOf: async (id: string) => (await explain()).find(({ provider }) => provider === id),
    /** The machine ends a job with the speed that is given. */
    serve: async (id: string, { firstContentMs, tps }: { firstContentMs: number; tps: number }) => {
      const { request, ...reply } = await reserve(id);
      if (!reply.ok) throw new Error(`${id} got no job: ${JSON.stringify(reply)}`);
      const firstContentUs = firstContentMs * 1_000;
      const totalUs = firstContentUs + Math.round((100 / tps) * 1e6);
      const timing = { routeUs: 0, holdUs: 0, firstContentUs, totalUs };
      bus.publish(events.jobEnded, JobEnded, { ...end(id), job: request.job, timing });
    },
    /** A job ended at the machine; without `job` one that this router did not place there. */
    end: (id: string, job = newJobId()) =>
      bus.publish(events.jobEnded, JobEnded, { ...end(id), job }),
    fail: (id: string) =>
      bus.publish(events.jobAttempt, JobAttempt, {
        job: newJobId(),
        attempt: 1,
        provider: id,
        build: BUILD,
        at: Date.now(),
        failure: 'engine_error',
      }),
    rows: async () =>
      (
        await owner.query<Row>(
          'SELECT provider, served::int, failed::int, tokens::int, state, batch::int, first_seen_at AS "firstSeenAt" FROM machine_records ORDER BY provider',
        )
      ).rows,
    query: (text: string) => owner.query(text),
    postgres,
    proxy,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Slot = MessageOf<typeof services.routing.explain.reply>['slots'][number];
interface Row {
  readonly provider: string;
  readonly served: number;
  readonly failed: number;
  readonly tokens: number;
  readonly state: Record<string, unknown>;
  readonly batch: number;
  readonly firstSeenAt: Date;
}

const SMALL = { promptTokens: 100, maxOutputTokens: 100 };
const SEALING = { suite: SUITE_ID, publicKey: new Uint8Array(32) };

const verdictOf = (provider: string): Verdict => ({
  provider,
  revision: 2,
  standing: 'verified',
  level: 'self_signed',
  sealingKey: SEALING.publicKey,
  at: Date.now(),
  freshUntil: Date.now() + 600_000,
});

const end = (provider: string): JobEnded => ({
  job: newJobId(),
  account: 'acct_0000',
  key: 'key_0000',
  ingress: 'in_000000000000',
  model: 'sim',
  build: BUILD,
  provider,
  attempts: 1,
  result: 'completed',
  at: Date.now(),
  streamed: true,
  deliveredTokens: 100,
  promptBound: 100,
  timing: { routeUs: 1, holdUs: 1, totalUs: 1 },
});
