import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { type Logger, pino } from 'pino';
import { Registry } from 'prom-client';
import { Nkey, services } from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import { Bus } from '#coordinator/bus.ts';
import type { Component } from '#coordinator/component.ts';
import { type Config, readConfig } from '#coordinator/config.ts';
import { connectToHub } from '#coordinator/connect-bus.ts';
import { connectDatabase } from '#coordinator/database.ts';
import { hubConfig } from '#coordinator/founding/hub-config.ts';
import { openOperatorHome, prepareOperatorHome } from '#coordinator/founding/operator-home.ts';
import { ensureStreams } from '#coordinator/streams.ts';
import { cacheFolder, findNatsServer, type NatsServer, startNatsServer } from '#provider';
import { startTestDatabase } from '#testcontainers';
import { type OtherClocks, realClocks } from './network-clock.ts';
import { startTrust } from './service.ts';

export interface Trust extends AsyncDisposable {
  readonly bus: Bus;
  readonly database: Pool;
  readonly hub: NatsServer;
  readonly home: string;
  readonly metrics: Registry;
  /** The clock of trust: the real time plus the time that the test has advanced it. */
  now(): number;
  advance(ms: number): void;
  /** Starts the hub again with a configuration that follows from the present keys. */
  restartHub(): Promise<void>;
  /** Kills the hub, deletes its accounts, and starts it again. */
  loseAccounts(): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /**
   * Sets the clock of trust's own process, as a wrong time server would; the hub and the database
   * keep theirs.
   */
  setClockOff(ms: number): void;
}

/** Starts a hub as in production, a database, and trust; no other part of the coordinator. */
export async function startTrustUnderTest(settings: Partial<Config> = {}): Promise<Trust> {
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'dinf-trust-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 3 }));
  let operator = await prepareOperatorHome(join(home, 'keys'));
  const { path: binary } = await findNatsServer({ cacheDir: cacheFolder(process.env) });
  const hubHome = join(home, 'hub');
  const hub = stack.use(
    await startNatsServer({
      binary,
      home: hubHome,
      config: (place) => hubConfig(place, { operator }),
    }),
  );
  const { databaseUrl } = stack.use(await startTestDatabase());

  const log: Logger = pino({ level: setting('DINF_LOG') ?? 'silent' });
  const config = {
    ...readConfig({ DINF_HOME: home }),
    databaseUrl,
    natsUrls: [hub.clientUrl],
    leafUrls: [hub.leafUrl],
    ...settings,
  };
  const connection = await connectToHub({
    ...config,
    credentialsFile: config.coreCredentials,
    name: 'test',
    log,
  });
  stack.defer(() => connection.close());
  const bus = new Bus(connection);
  await ensureStreams(bus);
  const database = connectDatabase(databaseUrl, { max: 4 });
  database.on('error', () => undefined);
  stack.defer(() => database.end());

  const metrics = new Registry();
  let ahead = 0;
  let offMs = 0;
  const now = () => Date.now() + ahead;
  /** Time that passes does so on every clock; a wrong setting affects only trust's own. */
  const otherClocks = (...places: Parameters<typeof realClocks>): OtherClocks => {
    const { hub: hubTime, database: databaseTime, steady } = realClocks(...places);
    return {
      hub: async () => (await hubTime()) + ahead,
      database: async () => (await databaseTime()) + ahead,
      steady: () => steady() + ahead,
    };
  };
  let component: Component | undefined;
  const start = async (): Promise<void> => {
    metrics.clear();
    component = await startTrust(
      { bus, database, config, log, metrics, now: () => now() + offMs },
      config,
      otherClocks,
    );
  };
  const stop = async (): Promise<void> => {
    await component?.[Symbol.asyncDispose]();
    component = undefined;
  };
  await start();
  stack.defer(stop);
  const owned = stack.move();
  return {
    bus,
    database,
    hub,
    home,
    metrics,
    now,
    start,
    stop,
    advance: (ms) => {
      ahead += ms;
    },
    setClockOff: (ms) => {
      offMs = ms;
    },
    restartHub: async () => {
      operator = await openOperatorHome(join(home, 'keys'));
      const reconnected = nextReconnect(connection);
      await hub.restart();
      await reconnected;
    },
    loseAccounts: async () => {
      await hub.kill();
      await rm(join(hubHome, 'accounts'), { recursive: true });
      await hub.restart();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function nextReconnect(connection: NatsConnection): Promise<void> {
  for await (const { type } of connection.status()) if (type === 'reconnect') return;
}

export interface EnrolledMachine {
  readonly provider: string;
  readonly key: Nkey;
  readonly userJwt: string;
}

const CALL = { timeoutMs: 10_000 };
const TOKEN_LIFETIME_MS = 3_600_000;

/** Enrols a machine with a new key; with an account, as a machine that its owner has linked. */
export async function enrolMachine({ bus }: Trust, account?: string): Promise<EnrolledMachine> {
  const { token } = await bus.call(
    services.trust.createToken,
    { lifetimeMs: TOKEN_LIFETIME_MS, ...(account && { account }) },
    CALL,
  );
  const key = Nkey.create('user');
  const enrolled = await bus.call(
    services.trust.enrol,
    { token, userKey: key.getPublicKey(), name: 'a Mac' },
    CALL,
  );
  if (!enrolled.ok) throw new Error(enrolled.code);
  return { provider: enrolled.provider, key, userJwt: enrolled.userJwt };
}
