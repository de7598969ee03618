import type { Msg, NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import {
  Ack,
  Cancel,
  Challenge,
  CodecError,
  type Conditions,
  type CountedFaults,
  DemandReport,
  Desired,
  type DesiredBuild,
  FaultReport,
  Flow,
  hex,
  JobOrder,
  Judgement,
  Load,
  type MachineFault,
  type MessageKind,
  Out,
  providerSubjects,
  type Receipt,
} from '#bus-schemas';
import type { OpenTelemetry } from '#observability/otel/open-telemetry.ts';
import { TRACE_HEADER } from '#observability/otel/trace-context.ts';
import type { Engine } from '../engine/engine.ts';
import { errorPlace } from '../error-place.ts';
import type { ClosureReason } from '../reasons.ts';
import { AgentTicker } from './agent-ticker.ts';
import { Announcer } from './announcer.ts';
import { Attester, type Identity } from './attester.ts';
import { FaultReporter, faultKinds } from './fault-reporter.ts';
import { FrameGroups } from './frame-groups.ts';
import { JobDesk, type JobDeskOptions } from './job-desk.ts';
import { limitedSlots } from './limited-slots.ts';
import { ReceiptSigner } from './receipt-signer.ts';
import { ReceiptKeeper } from './receipts.ts';
import { SealingKeys } from './sealing-keys.ts';

export interface AgentOptions {
  /** Connection to the leaf node of this machine, in the account of this provider. */
  readonly connection: NatsConnection;
  readonly engine: Engine;
  readonly identity: Identity;
  readonly log: Logger;
  /** The file in which receipts without an acknowledgement survive a restart. */
  readonly receiptsFile?: string;
  readonly observer?: AgentObserver;
  /** Traces and figures for OpenTelemetry; undefined if it is off. */
  readonly otel?: OpenTelemetry | undefined;
  /** The machine serves only its owner. */
  readonly isPrivate?: boolean | undefined;
  /** The owner excludes lines of batches. */
  readonly refusesBatches?: boolean | undefined;
  /** Whether wanted builds are fetched, or shown to the owner; undefined if they are ignored. */
  readonly prefetches?: boolean | undefined;
  readonly random?: () => number;
}

/** Receives what the owner of the machine wants to see. */
export interface AgentObserver {
  judged(judgement: Judgement): void;
  answered(receipt: Receipt, durationMs: number): void;
  /** The router's report on the requests of the last minute. */
  demanded(report: DemandReport): void;
  /** The network wants these builds here. */
  desired(builds: readonly DesiredBuild[]): void;
  /** The machine has reported these faults to the operator. */
  reported(faults: CountedFaults): void;
}

export interface Agent extends AsyncDisposable {
  /** Number of jobs that run or whose last frames are not acknowledged yet. */
  readonly running: number;
  /** Number of receipts that settlement has not acknowledged yet. */
  readonly receiptsWaiting: number;
  /** `reason` is announced: a setting of the owner, or a state of the computer. */
  setDraining(draining: boolean, reason?: ClosureReason): void;
  /** The next message announces it; a new thermal state is announced at once. */
  setConditions(conditions: Conditions): void;
  /** Accepts and announces only this share of the usual number of requests at the same time. */
  setStreamShare(share: number): void;
  /** Counts a fault, which is reported to the operator within a minute. */
  note(fault: MachineFault): void;
  /** The computer has woken: announces the machine, and asks for a new challenge. */
  wake(): void;
  /** Makes a new sealing key, which replaces the current one as soon as the network trusts it. */
  rotateKeys(): Promise<void>;
  /** Accepts no new jobs and waits until the running ones have ended, `timeoutMs` at most. */
  drain(timeoutMs: number): Promise<void>;
}

const AGENT_VERSION = '0.1.0';
/** Time between two looks whether the last job has ended, in milliseconds. */
const LOOK_MS = 50;

/**
 * Starts a provider on the bus: it announces itself, proves its identity, accepts jobs, streams
 * their answers and sends receipts.
 */
export async function startAgent({
  connection,
  engine,
  identity,
  log,
  receiptsFile,
  observer,
  otel,
  isPrivate = false,
  refusesBatches = false,
  prefetches,
  random = Math.random,
}: AgentOptions): Promise<Agent> {
  const clock = () => performance.now();
  const publish = (subject: string, payload: Uint8Array) => {
    if (!connection.isClosed()) connection.publish(subject, payload);
  };
  const { signer } = identity;
  const keys = await SealingKeys.make(clock);
  await using stack = new AsyncDisposableStack();
  const receipts = stack.use(
    await ReceiptKeeper.open({
      send: (payload) => publish(providerSubjects.up('receipt'), payload),
      file: receiptsFile,
      log,
    }),
  );
  const frameGroups = stack.use(new FrameGroups(publish));
  const receiptSigner = stack.use(new ReceiptSigner(signer, log));
  const reporter = new FaultReporter((counted) => {
    const report = { agentVersion: AGENT_VERSION, engine: engine.name, faults: counted };
    publish(providerSubjects.up('faults'), FaultReport.encode(report));
    observer?.reported(counted);
  });
  let fault = engine.fault;
  let digests = digestsOf(engine);
  engine.onChange(() => {
    if (engine.fault !== undefined && engine.fault !== fault)
      reporter.note(faultKinds[engine.fault]);
    fault = engine.fault;
    if (digestsOf(engine) !== digests) void newKeys();
    digests = digestsOf(engine);
  });
  let streamShare = 1;
  const slots = () => limitedSlots(engine.slots(), streamShare);
  const desk = new JobDesk({
    engine,
    slots,
    recipients: () => keys.recipients,
    log,
    clock,
    traceOf: otel && (await tracing(otel)),
    sendFrame: (order, frame) => frameGroups.send(order, frame),
    sendReply: (ingress, job, reply) =>
      publish(providerSubjects.frames(ingress, job), Out.encode(reply)),
    sign: (request) => receiptSigner.sign(request),
    onReceipt: (receipt, durationMs) => {
      receipts.add(receipt, clock());
      observer?.answered(receipt, durationMs);
    },
  });
  let draining = false;
  let closedFor: ClosureReason | undefined;
  let conditions: Conditions | undefined;
  const announcer = stack.use(
    new Announcer({
      engine,
      slots,
      publish,
      random,
      agentVersion: AGENT_VERSION,
      jobsOf: (build) => desk.generating(build),
      sealingKey: () => keys.announced,
      isDraining: () => draining,
      closedFor: () => closedFor,
      conditions: () => conditions,
      isPrivate,
      refusesBatches,
      prefetches,
    }),
  );
  stack.defer(() => desk.cancelAll());
  const attester = new Attester({
    identity,
    agentVersion: AGENT_VERSION,
    publish,
    keys,
    log,
    clock,
    now: Date.now,
    simulated: engine.machine.simulated,
    isExternal: engine.name === 'external',
    weights: () => engine.weights?.() ?? [],
  });
  /**
   * The network sends requests for a new build only after the machine has proved its digest. It
   * challenges a verified machine at once only for a new sealing key.
   */
  const newKeys = async () => {
    await keys.rotate();
    attester.ask();
  };
  const setDraining = (wanted: boolean, reason?: ClosureReason) => {
    draining = wanted;
    closedFor = reason;
    desk.setDraining(wanted);
    announcer.changed();
  };

  const ticker = stack.use(
    new AgentTicker({
      tick: () => {
        desk.tick();
        receipts.tick(clock());
        attester.tick();
        keys.tick(() => attester.ask());
        reporter.tick(clock());
      },
      isBusy: () => desk.running > 0 || receipts.size > 0,
    }),
  );
  const handlers: Record<string, Reader> = {
    [providerSubjects.down('job')]: reader(JobOrder, (order, headers) => {
      ticker.wake();
      desk.order(order, headers?.get(TRACE_HEADER));
    }),
    [providerSubjects.down('flow')]: reader(Flow, (flow) => desk.flow(flow)),
    [providerSubjects.down('cancel')]: reader(Cancel, (cancel) => desk.cancel(cancel)),
    [providerSubjects.down('ack')]: reader(Ack, (ack) => receipts.acknowledged(ack.receipts)),
    [providerSubjects.down('challenge')]: reader(
      Challenge,
      (challenge) =>
        void attester
          .challenged(challenge)
          .catch((error: unknown) =>
            log.error(
              { err: error },
              'a challenge could not be answered; without answers the network ends its trust',
            ),
          ),
    ),
    [providerSubjects.down('judgement')]: reader(Judgement, (judgement) => {
      attester.judged(judgement);
      observer?.judged(judgement);
    }),
    [providerSubjects.down('demand')]: reader(DemandReport, (report) => observer?.demanded(report)),
    [providerSubjects.down('desired')]: reader(Desired, ({ builds }) => observer?.desired(builds)),
    [providerSubjects.down('load')]: reader(Load, ({ build }) => {
      // A machine whose memory is short must not load the model that it has just unloaded.
      if (!draining) engine.load(build);
    }),
  };
  const subscription = connection.subscribe(providerSubjects.everyDown, {
    callback: (error, message) => {
      if (!error)
        dispatch(handlers, message, { log, onUnreadable: () => reporter.note('protocol_error') });
    },
  });
  stack.defer(() => subscription.unsubscribe());
  announcer.hello();
  const owned = stack.move();

  return {
    get running() {
      return desk.running;
    },
    get receiptsWaiting() {
      return receipts.size;
    },
    setDraining,
    setConditions: (read) => {
      const isNewHeat = read.thermal !== conditions?.thermal;
      conditions = read;
      if (isNewHeat) announcer.changed();
    },
    setStreamShare: (share) => {
      streamShare = share;
      announcer.changed();
    },
    note: (noted) => reporter.note(noted),
    wake: () => {
      announcer.again();
      attester.ask();
    },
    rotateKeys: newKeys,
    drain: async (timeoutMs) => {
      setDraining(true);
      const giveUpAt = clock() + timeoutMs;
      while (desk.running > 0 && clock() < giveUpAt)
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const digestsOf = (engine: Engine): string =>
  (engine.weights?.() ?? []).map(({ build, digest }) => `${build} ${hex(digest)}`).join(' ');

/** Loads the code for traces only if it is needed. */
async function tracing(otel: OpenTelemetry): Promise<JobDeskOptions['traceOf']> {
  const { AttemptTrace } = await import('./attempt-trace.ts');
  return (order, header) => new AttemptTrace(otel, order, header);
}

type Reader = (message: Pick<Msg, 'data' | 'headers'>) => void;

function reader<T>(
  kind: MessageKind<T>,
  handle: (value: T, headers: Msg['headers']) => void,
): Reader {
  return ({ data, headers }) => handle(kind.decode(data), headers);
}

/**
 * Passes a message to its handler. Messages of an unknown subject, which a newer coordinator may
 * send, are ignored.
 */
function dispatch(
  handlers: Record<string, Reader>,
  message: Msg,
  { log, onUnreadable }: { log: Logger; onUnreadable: () => void },
): void {
  try {
    handlers[message.subject]?.(message);
  } catch (error) {
    if (error instanceof CodecError) {
      onUnreadable();
      log.warn(
        { subject: message.subject, code: error.code },
        'a message of the coordinator that cannot be decoded was dropped',
      );
      return;
    }
    // The exception must not leave this callback: it would end the connection, and one hostile
    // message would thereby end all jobs of this machine.
    log.error(
      { subject: message.subject, err: errorPlace(error) },
      'a message of the coordinator could not be handled',
    );
  }
}
