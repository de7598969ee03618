import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import type { MetricsAddress, MetricsListener } from '#observability';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import {
  type Agent,
  type Engine,
  type Enrolment,
  enrolment,
  type Leaf,
  LeafCredentials,
  type MeasuredMachines,
  ownIdentity,
  startAgent,
  startLeaf,
} from '#provider';
import { type AilmentName, ailments } from './ailment.ts';
import { corruptFrames } from './corrupt-frames.ts';
import { overcounting, tripling, withoutSignatures } from './dishonest.ts';
import { EmulatedMac } from './emulated-mac.ts';
import {
  createSimulatedEngine,
  type EngineProfile,
  type SimulatedEngine,
} from './simulated-engine.ts';

/** A defect of one provider of a fleet: an ailment, or dishonest messages on the bus. */
export type Fault = 'corrupt_frames' | 'no_signatures' | 'overcounts' | 'triples' | AilmentName;

export interface FleetOptions {
  readonly coordinatorUrl: string;
  /** Returns a new one-time token; called for each provider that is not enrolled yet. */
  readonly token: () => Promise<string>;
  readonly count: number;
  /** Returns the profile of the provider with this number, counted from 0. */
  readonly profile: (index: number) => EngineProfile;
  /** Opens an engine with a real model, which is used instead of the simulated engine. */
  readonly realEngine?: () => Promise<Engine>;
  readonly natsServer: string;
  readonly home: string;
  /**
   * `own` starts one leaf node for each provider, as in production; `shared` starts one for all.
   */
  readonly leaves: 'own' | 'shared';
  /** Address at which Prometheus reads the figures of this process; without it none are measured. */
  readonly metrics?: MetricsAddress | undefined;
  /** Traces and figures for OpenTelemetry; undefined if it is off. */
  readonly otel?: OpenTelemetry | undefined;
  readonly log: Logger;
  /** Defects by the number of the provider, counted from 0. */
  readonly faults?: Readonly<Record<number, Fault>>;
  /** The machines serve only their owner. */
  readonly arePrivate?: boolean;
  /** The owner of the machines excludes lines of batches. */
  readonly refuseBatches?: boolean;
}

export interface SimulatedProvider {
  readonly id: string;
  readonly engine: SimulatedEngine;
  readonly agent: Agent;
  readonly connection: NatsConnection;
  /** Announces what the simulated computer reports, until it is disposed. */
  readonly reports: Disposable;
  /**
   * Ends the provider without a farewell message. If the provider has a leaf node of its own, the
   * hub notices the lost connection; otherwise the coordinator notices only the missing heartbeats.
   */
  kill(): Promise<void>;
}

export interface SimulatedFleet extends AsyncDisposable {
  readonly providers: readonly SimulatedProvider[];
  readonly leaves: readonly Leaf[];
  /** Stops accepting jobs, and waits up to `timeoutMs` milliseconds until the running ones end. */
  drain(timeoutMs: number): Promise<void>;
}

/** Maximum number of enrolments in flight, so that a large fleet does not flood the coordinator. */
const ENROL_AT_ONCE = 8;

export async function startFleet(options: FleetOptions): Promise<SimulatedFleet> {
  const { count, home, leaves: kind, natsServer: binary, log } = options;
  const enrolments = await enrolAll(options);
  const credentials = await Promise.all(
    enrolments.map((own, index) => {
      const place = {
        home: join(home, `provider-${index}`),
        coordinatorUrl: options.coordinatorUrl,
      };
      return LeafCredentials.keep({ ...place, enrolment: own, log, now: Date.now });
    }),
  );
  const groups = kind === 'shared' ? [enrolments] : enrolments.map((one) => [one]);
  const leaves = await Promise.all(
    groups.map((group, index) =>
      startLeaf({
        binary,
        home: join(home, kind === 'shared' ? 'leaf' : `leaf-${index}`),
        enrolments: group,
        log,
      }),
    ),
  );
  const providers = await Promise.all(
    enrolments.map((one, index) =>
      startProvider(one, index, leaves[kind === 'shared' ? 0 : index] as Leaf, options),
    ),
  );
  const offered = await offerFigures(options, { machines: providers, leaves });
  log.info({ count }, 'the simulated fleet is running');
  return {
    providers,
    leaves,
    drain: async (timeoutMs) =>
      void (await Promise.all(providers.map(({ agent }) => agent.drain(timeoutMs)))),
    [Symbol.asyncDispose]: async () => {
      await offered?.[Symbol.asyncDispose]();
      for (const kept of credentials) kept[Symbol.dispose]();
      for (const { agent, engine, connection, reports } of providers) {
        reports[Symbol.dispose]();
        await agent[Symbol.asyncDispose]();
        await engine[Symbol.asyncDispose]();
        await connection.close();
      }
      await Promise.all(leaves.map((leaf) => leaf[Symbol.asyncDispose]()));
    },
  };
}

async function offerFigures(
  { metrics: address, log }: FleetOptions,
  measured: MeasuredMachines,
): Promise<MetricsListener | undefined> {
  if (address === undefined) return undefined;
  const { offerMachineMetrics } = await import('#provider/machine-metrics.ts');
  return offerMachineMetrics(address, { ...measured, log });
}

async function enrolAll({
  count,
  home,
  coordinatorUrl,
  token,
}: FleetOptions): Promise<Enrolment[]> {
  const enrolments: Enrolment[] = [];
  for (let start = 0; start < count; start += ENROL_AT_ONCE) {
    const batch = Array.from(
      { length: Math.min(ENROL_AT_ONCE, count - start) },
      (_, offset) => start + offset,
    );
    enrolments.push(
      ...(await Promise.all(
        batch.map(async (index) =>
          enrolment({
            home: join(home, `provider-${index}`),
            coordinatorUrl,
            token: { source: 'operator', isDemanded: false, get: token },
            name: `simulated-${index}`,
          }),
        ),
      )),
    );
  }
  return enrolments;
}

async function startProvider(
  own: Enrolment,
  index: number,
  leaf: Leaf,
  options: FleetOptions,
): Promise<SimulatedProvider> {
  const { profile: profileOf, realEngine, faults, home, leaves, otel, log } = options;
  const fault = faults?.[index];
  const profile = profileOf(index);
  const connection = await leaf.connect(own);
  const engine = realEngine
    ? new EmulatedMac(await realEngine(), profile.chip)
    : createSimulatedEngine({ ...profile, ...(isAilment(fault) && { ailment: ailments[fault] }) });
  const agent = await startAgent({
    connection:
      fault === 'corrupt_frames'
        ? corruptFrames(connection)
        : fault === 'no_signatures'
          ? withoutSignatures(connection)
          : connection,
    engine:
      fault === 'overcounts'
        ? overcounting(engine)
        : fault === 'triples'
          ? tripling(engine)
          : engine,
    log: log.child({ provider: index }),
    otel,
    isPrivate: options.arePrivate,
    refusesBatches: options.refuseBatches,
    identity: await ownIdentity(join(home, `provider-${index}`), own.provider),
    receiptsFile: join(home, `provider-${index}`, 'receipts.json'),
  });
  const reports = announceConditions(engine, agent);
  return {
    id: own.provider,
    engine,
    agent,
    connection,
    reports,
    kill: async () => {
      reports[Symbol.dispose]();
      if (leaves === 'own') await leaf.kill();
      await connection.close();
      await engine[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
    },
  };
}

/** Time between two reports of a simulated computer, in milliseconds. */
const REPORT_MS = 5_000;

function announceConditions(engine: SimulatedEngine, agent: Agent): Disposable {
  const announce = () => {
    if (engine.conditions !== undefined) agent.setConditions(engine.conditions);
  };
  announce();
  const timer = setInterval(announce, REPORT_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

const isAilment = (fault: Fault | undefined): fault is AilmentName =>
  fault !== undefined && fault in ailments;
