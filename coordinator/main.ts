import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { ComponentName } from '#bus-schemas';
import { type MetricsListener, measured, offerMetrics } from '#observability';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import type { OtelSettings } from '#observability/otel/settings.ts';
import { Bus } from './bus.ts';
import { measureBus } from './bus-metrics.ts';
import { reportBus } from './bus-report.ts';
import type { Component, StartComponent } from './component.ts';
import type { Config } from './config.ts';
import { connectToHub, leaveHub } from './connect-bus.ts';
import { schemaCheck } from './database/check-schema.ts';
import { DatabaseRefused } from './database/errors.ts';
import { connectDatabase } from './database.ts';
import { measureDatabase } from './database-metrics.ts';
import { endAll } from './end-all.ts';
import { createLogger } from './logger.ts';
import { announceVersion } from './running-versions.ts';
import { measureStreams } from './stream-metrics.ts';

/**
 * A component is imported only in the process that runs it, so that a process with one component
 * stays small. Components start in this order and stop in reverse order.
 */
const components: Record<ComponentName, (secrets: Secrets) => Promise<StartComponent>> = {
  accounts: async () => (await import('./accounts/service.ts')).startAccounts,
  catalog: async () => (await import('./catalog/service.ts')).startCatalog,
  settlement: async ({ stripe }) => {
    const { startSettlement } = await import('./settlement/service.ts');
    return (context) => startSettlement(context, { stripe });
  },
  telemetry: async () => (await import('./telemetry/service.ts')).startTelemetry,
  trust: async ({ mdm }) => {
    const { startTrust } = await import('./trust/service.ts');
    return (context) => startTrust(context, { mdm });
  },
  routing: async () => (await import('./routing/service.ts')).startRouting,
  ingress: async ({ oidcClientSecret }) => {
    const { startIngress } = await import('./ingress/service.ts');
    return (context) => startIngress(context, { oidcClientSecret });
  },
};

/** Loads the code of components, while other parts of a network start. */
export async function loadComponents(
  names: readonly ComponentName[] = componentNames,
): Promise<void> {
  const noSecrets = { stripe: undefined, mdm: undefined, oidcClientSecret: undefined };
  await Promise.all(names.map((name) => components[name](noSecrets)));
}

/** Settings that only the component that uses them receives. */
type Secrets = Pick<Config, 'stripe' | 'mdm' | 'oidcClientSecret'>;

export const componentNames = Object.keys(components) as ComponentName[];

export interface CoordinatorOptions {
  readonly config: Config;
  /** Components of this process; absent means all. */
  readonly components?: readonly ComponentName[];
  readonly log?: Logger;
}

export interface Coordinator extends AsyncDisposable {
  readonly bus: Bus;
  readonly metrics: Registry;
  /** URL at which Prometheus reads the figures of this process, if it offers them. */
  readonly metricsUrl: string | undefined;
  /** URL of the API, if this process has the ingress. */
  readonly httpUrl: string | undefined;
  /** URL of the operators' routes, if this process has them. */
  readonly adminUrl: string | undefined;
}

/** Components that read facts of JetStream through durable consumers. */
const FACT_READERS: readonly ComponentName[] = ['settlement', 'telemetry'];
const POOL_SIZE = 8;
const LAST_FACTS_MS = 5_000;

export async function startCoordinator({
  config,
  components: named = componentNames,
  log = createLogger({ name: 'coordinator', level: config.logLevel }),
}: CoordinatorOptions): Promise<Coordinator> {
  const { databaseUrl, stripe, mdm, oidcClientSecret, ...others } = config;
  const { otel: collector, metrics: address, ...shared } = others;
  const connection = await connectToHub({
    ...shared,
    credentialsFile: shared.coreCredentials,
    name: `coordinator ${named.join(' ')}`,
    log,
  });
  const metrics = new Registry();
  const otel = collector && (await startOtel(collector, log));
  const report = reportBus({ log, metrics, clock: () => performance.now() });
  const bus = new Bus(connection, { report, otel, callsDirectly: config.directCalls });
  const database = connectDatabase(databaseUrl, { max: POOL_SIZE, check: schemaCheck() });
  // A database that restarts ends idle connections. The pool opens new ones; without this handler
  // the process would end.
  let isStopping = false;
  database.on(
    'error',
    (error) => isStopping || log.warn({ err: error }, 'a database connection was lost'),
  );
  measureBus(bus, metrics);
  measureDatabase(database, metrics);
  if (named.some((name) => FACT_READERS.includes(name))) measureStreams(bus, metrics);
  const running: Component[] = [];
  measured(metrics, 'dinf_component_running', () =>
    running.map(({ name }) => ({ labels: { component: name }, value: 1 })),
  );
  const stop = async (): Promise<void> => {
    isStopping = true;
    const components = running
      .toReversed()
      .map((component) => ({ what: component.name, end: () => component[Symbol.asyncDispose]() }));
    await endAll([
      ...components,
      { what: 'metrics', end: async () => offered?.[Symbol.asyncDispose]() },
      { what: 'facts', end: () => bus.flushEvents(LAST_FACTS_MS) },
      { what: 'traces', end: async () => otel?.[Symbol.asyncDispose]() },
      { what: 'hub', end: () => leaveHub(connection) },
      { what: 'database', end: () => database.end() },
    ]);
  };
  let offered: MetricsListener | undefined;
  try {
    // Before the first connection to the database: `dinf migrate --contract` asks on the bus first,
    // and then lets new connections check the schema.
    await announceVersion(connection, named);
    // From the beginning, so that Prometheus sees a component that waits for its database.
    offered = address && (await offerMetrics(address, { metrics, log }));
    if (databaseUrl !== '') await refuseMisconfigured(database);
    for (const name of componentNames.filter((candidate) => named.includes(candidate))) {
      const start = await components[name]({ stripe, mdm, oidcClientSecret });
      running.push(
        await start({
          bus,
          database,
          config: shared,
          metrics,
          otel,
          log: log.child({ component: name }),
          now: Date.now,
        }),
      );
    }
  } catch (error) {
    await stop().catch((failure: unknown) =>
      log.error({ err: failure }, 'components that had started could not be stopped'),
    );
    throw error;
  }
  log.info({ components: running.map(({ name }) => name) }, 'the coordinator runs');
  const door = running.find(({ url }) => url !== undefined);
  return {
    bus,
    metrics,
    metricsUrl: offered?.url,
    httpUrl: door?.url,
    adminUrl: door?.adminUrl,
    [Symbol.asyncDispose]: stop,
  };
}

/** Loads the code for OpenTelemetry only if it is turned on. */
async function startOtel(settings: OtelSettings, log: Logger): Promise<OpenTelemetry> {
  const { OpenTelemetry } = await import('#observability/otel/open-telemetry.ts');
  return new OpenTelemetry({ settings, service: 'dinf-coordinator', log });
}

/**
 * Ends the start if the schema does not fit this version, or if a connection pooler would give the
 * components wrong permissions or mix up their statements. A database that is unreachable, or still a standby, does not prevent the start.
 */
async function refuseMisconfigured(database: Pool): Promise<void> {
  try {
    await database.query('SELECT 1');
  } catch (error) {
    if (error instanceof DatabaseRefused && error.code !== 'read_only') throw error;
  }
}
