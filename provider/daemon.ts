import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Conditions, MachineFault } from '#bus-schemas';
import type { MetricsAddress } from '#observability';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import { type AgentObserver, startAgent } from './agent/agent.ts';
import type { Engine } from './engine/engine.ts';
import { harden } from './harden.ts';
import { HubUpdates } from './hub-updates.ts';
import { enrolment, type FirstToken } from './identity.ts';
import { startLeaf } from './leaf/leaf.ts';
import { LeafCredentials } from './leaf-credentials.ts';
import { ownIdentity } from './own-identity.ts';
import { postureOf } from './posture.ts';
import type { ClosureReason } from './reasons.ts';

export interface DaemonOptions {
  readonly home: string;
  readonly coordinatorUrl: string;
  readonly token?: FirstToken | undefined;
  readonly name: string;
  readonly natsServer: string;
  readonly engine: Engine;
  /** Address at which Prometheus reads the figures of this process; without it none are measured. */
  readonly metrics?: MetricsAddress | undefined;
  /** Traces and figures for OpenTelemetry; undefined if it is off. */
  readonly otel?: OpenTelemetry | undefined;
  /** The machine serves only its owner. */
  readonly isPrivate?: boolean | undefined;
  /** The owner excludes lines of batches. */
  readonly refusesBatches?: boolean | undefined;
  /** Whether wanted builds are fetched, or shown to the owner; undefined if they are ignored. */
  readonly prefetches?: boolean | undefined;
  readonly log: Logger;
  readonly observer?: AgentObserver;
}

export interface Daemon extends AsyncDisposable {
  readonly provider: string;
  /** Number of jobs that run or whose last frames are not acknowledged yet. */
  readonly running: number;
  /** Why the leaf has no link to a hub; undefined while it has one. */
  readonly linkFault: string | undefined;
  /** While it drains, the machine completes its jobs and accepts no new ones. */
  setDraining(draining: boolean, reason?: ClosureReason): void;
  /** Announces the state of the computer. */
  setConditions(conditions: Conditions): void;
  /** The computer has woken: announces the machine, and asks for a new challenge. */
  wake(): void;
  /** Counts a fault, which is reported to the operator within a minute. */
  note(fault: MachineFault): void;
  /** Accepts only this share of the usual number of requests at the same time. */
  setStreamShare(share: number): void;
  /** Accepts no new jobs and waits until the running ones have ended, `timeoutMs` at most. */
  drain(timeoutMs: number): Promise<void>;
}

/**
 * Starts a provider: enrols the machine, starts its leaf node and its agent. Where the native part
 * is built, it denies debuggers, which could read prompts from the memory of this process.
 */
export async function startDaemon({
  home,
  coordinatorUrl,
  token,
  name,
  natsServer,
  engine,
  metrics,
  otel,
  isPrivate,
  refusesBatches,
  prefetches,
  log,
  observer,
}: DaemonOptions): Promise<Daemon> {
  const denied =
    harden((facts, message) => log.warn(facts, message)) && engine.isHardened !== false;
  await using started = new AsyncDisposableStack();
  const own = await enrolment({ home, coordinatorUrl, name, token });
  started.use(
    await LeafCredentials.keep({ home, enrolment: own, coordinatorUrl, log, now: Date.now }),
  );
  const leaf = started.use(
    await startLeaf({ binary: natsServer, home: join(home, 'leaf'), enrolments: [own], log }),
  );
  const connection = await leaf.connect(own);
  started.defer(() => connection.close());
  const identity = await ownIdentity(home, own.provider, () => postureOf(denied));
  if (identity.whySoftware !== undefined)
    log.info(
      { because: identity.whySoftware },
      'the signing key was made in a file, because the Secure Enclave cannot be used',
    );
  const agent = started.use(
    await startAgent({
      connection,
      engine,
      log,
      identity,
      otel,
      isPrivate,
      refusesBatches,
      prefetches,
      receiptsFile: join(home, 'receipts.json'),
      ...(observer && { observer }),
    }),
  );
  started.use(
    new HubUpdates({
      home,
      enrolment: own,
      coordinatorUrl,
      leaf,
      isIdle: () => agent.running === 0,
      log,
    }),
  );
  if (metrics !== undefined) {
    const { offerMachineMetrics } = await import('./machine-metrics.ts');
    const machines = [{ engine, agent }];
    started.use(await offerMachineMetrics(metrics, { machines, leaves: [leaf], log }));
  }
  const running = started.move();
  return {
    provider: own.provider,
    get running() {
      return agent.running;
    },
    get linkFault() {
      return leaf.link.fault;
    },
    setDraining: agent.setDraining,
    setConditions: agent.setConditions,
    setStreamShare: agent.setStreamShare,
    wake: agent.wake,
    note: agent.note,
    drain: (timeoutMs) => agent.drain(timeoutMs),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
