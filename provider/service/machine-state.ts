import type { CountedFaults, DemandReport, MachineFault } from '#bus-schemas';
import type { WantedBuild } from '../desired/fetch-build.ts';
import type { ClosureReason, EngineFault, GuestNote } from '../reasons.ts';
import type { ReportedModel, ReportedPrefixes, WorkerReport } from './worker-report.ts';

/**
 * The state of this machine as its owner sees it. It is a pure function of the events so far.
 *
 *   starting → waiting_for_approval → serving ⇄ engine_down, disconnected, unverified, untrusted
 *      ↑                                 ↓ the worker ends or freezes
 *      └── restarting, crash_loop ───────┘        (failed: only the owner can help)
 *
 * `paused` and `stopping` come from orders of the owner and cover the others.
 */
type Phase =
  | 'starting'
  | 'waiting_for_approval'
  | 'serving'
  | 'engine_down'
  | 'disconnected'
  | 'unverified'
  | 'untrusted'
  | 'restarting'
  | 'crash_loop'
  | 'failed'
  | 'paused'
  | 'closed'
  | 'stopping';

export interface MachineState {
  readonly phase: Phase;
  /** Start of the phase, in milliseconds since 1970. */
  readonly since: number;
  /** Why the machine does not serve, for phases in which it does not. */
  readonly reason: string | undefined;
  readonly isPaused: boolean;
  readonly isStopping: boolean;
  /** Undefined while the worker runs. */
  readonly down: WorkerDown | undefined;
  readonly provider: string | undefined;
  readonly coordinator: string | undefined;
  readonly engine: string | undefined;
  /** Why the engine does not run; undefined while it runs. */
  readonly engineFault: EngineFault | undefined;
  /** Why the owner's settings exclude new requests at present, and the end of it if it is known. */
  readonly closed: { readonly reason: ClosureReason; readonly until?: number } | undefined;
  /** What the owner should know although it closes nothing. */
  readonly notes: readonly GuestNote[];
  readonly models: readonly ReportedModel[];
  /** Memory for models, in bytes; undefined if another program decides about it. */
  readonly memoryBytes: number | undefined;
  /** Pages of prompts on the disk; undefined if none are kept there. */
  readonly prefixes: ReportedPrefixes | undefined;
  readonly running: number;
  readonly link: { readonly fault: string | undefined; readonly since: number } | undefined;
  readonly trust:
    | { readonly standing: string; readonly level: string; readonly fault: string | undefined }
    | undefined;
  readonly approval: { readonly code: string; readonly page: string } | undefined;
  readonly answers: Answers;
  /** The router's newest report on the requests for the builds of this machine. */
  readonly demand: { readonly at: number; readonly builds: DemandReport['builds'] } | undefined;
  /** The builds that the network wanted here, by its newest message. */
  readonly desired: { readonly at: number; readonly builds: readonly WantedBuild[] } | undefined;
  /** What the machine has reported to the operator since the start of the service. */
  readonly reported: Reported | undefined;
}

interface Reported {
  readonly lastAt: number;
  readonly times: Readonly<Partial<Record<MachineFault, number>>>;
}

interface WorkerDown {
  readonly reason: string;
  /** Number of ends of the worker in a row, each less than a minute after its start. */
  readonly failures: number;
  /** Time of the next start; undefined if only the owner can help. */
  readonly nextStartAt: number | undefined;
}

interface Answers {
  readonly total: number;
  readonly tokens: number;
  readonly lastAt: number | undefined;
  /** By build, for the builds of this machine's models. */
  readonly byBuild: Readonly<Record<string, AnswersOfBuild>>;
}

interface AnswersOfBuild {
  readonly total: number;
  readonly tokens: number;
  /** Time of its answers together, in milliseconds. */
  readonly ms: number;
}

export type MachineEvent =
  | WorkerReport
  | { readonly t: 'worker_started' }
  | ({ readonly t: 'worker_ended' } & WorkerDown)
  | { readonly t: 'paused' | 'resumed' | 'stop_wanted' };

/** Number of failures in a row from which the machine is in a crash loop. */
const CRASH_LOOP = 5;

export const atStart = (now: number, isPaused: boolean): MachineState => ({
  phase: 'starting',
  since: now,
  reason: undefined,
  isPaused,
  isStopping: false,
  down: undefined,
  provider: undefined,
  coordinator: undefined,
  engine: undefined,
  engineFault: undefined,
  closed: undefined,
  notes: [],
  models: [],
  memoryBytes: undefined,
  prefixes: undefined,
  running: 0,
  link: undefined,
  trust: undefined,
  approval: undefined,
  answers: { total: 0, tokens: 0, lastAt: undefined, byBuild: {} },
  demand: undefined,
  desired: undefined,
  reported: undefined,
});

export function next(before: MachineState, event: MachineEvent, now: number): MachineState {
  const after = { ...before, ...changeOf(before, event, now) };
  const { phase, reason } = phaseOf(after);
  return { ...after, phase, reason, since: phase === before.phase ? before.since : now };
}

/** What only a running worker reports. */
const WITHOUT_WORKER = {
  provider: undefined,
  models: [],
  memoryBytes: undefined,
  prefixes: undefined,
  running: 0,
  engineFault: undefined,
  closed: undefined,
  notes: [],
  link: undefined,
  approval: undefined,
  demand: undefined,
  desired: undefined,
} as const;

function changeOf(before: MachineState, event: MachineEvent, now: number): Partial<MachineState> {
  switch (event.t) {
    case 'worker_started':
      return { ...WITHOUT_WORKER, down: undefined };
    case 'worker_ended':
      return {
        down: {
          reason: event.reason,
          failures: event.failures,
          nextStartAt: event.nextStartAt,
        },
        ...WITHOUT_WORKER,
      };
    case 'link_code':
      return { approval: { code: event.code, page: event.page } };
    case 'serving':
      return {
        provider: event.provider,
        engine: event.engine,
        coordinator: event.coordinator,
        approval: undefined,
      };
    case 'pulse':
      return {
        running: event.running,
        models: event.models,
        memoryBytes: event.memoryBytes,
        prefixes: event.prefixes,
        engineFault: event.engineFault,
        closed: event.closed,
        notes: event.notes ?? [],
        link:
          before.link !== undefined && before.link.fault === event.linkFault
            ? before.link
            : { fault: event.linkFault, since: now },
      };
    case 'trust':
      return { trust: { standing: event.standing, level: event.level, fault: event.fault } };
    case 'demand':
      return { demand: { at: now, builds: event.builds } };
    case 'desired':
      return { desired: { at: now, builds: event.builds } };
    case 'reported':
      return { reported: { lastAt: now, times: added(before.reported?.times, event.faults) } };
    case 'added':
    case 'not_added':
      return {};
    case 'answered':
      return { answers: withAnswer(before.answers, event, now) };
    case 'paused':
      return { isPaused: true };
    case 'resumed':
      return { isPaused: false };
    case 'stop_wanted':
      return { isStopping: true };
  }
}

function added(times: Reported['times'] = {}, faults: CountedFaults): Reported['times'] {
  const sums = { ...times };
  for (const { fault, times: more } of faults) sums[fault] = (sums[fault] ?? 0) + more;
  return sums;
}

function withAnswer(
  { total, tokens, byBuild }: Answers,
  { build, completionTokens, ms }: Extract<WorkerReport, { t: 'answered' }>,
  now: number,
): Answers {
  const before = byBuild[build] ?? { total: 0, tokens: 0, ms: 0 };
  return {
    total: total + 1,
    tokens: tokens + completionTokens,
    lastAt: now,
    byBuild: {
      ...byBuild,
      [build]: {
        total: before.total + 1,
        tokens: before.tokens + completionTokens,
        ms: before.ms + ms,
      },
    },
  };
}

function phaseOf(state: MachineState): Pick<MachineState, 'phase' | 'reason'> {
  const { down, link, trust } = state;
  if (state.isStopping) return { phase: 'stopping', reason: undefined };
  if (down !== undefined) return { phase: downPhase(down), reason: down.reason };
  if (state.approval !== undefined) return { phase: 'waiting_for_approval', reason: undefined };
  if (state.provider === undefined) return { phase: 'starting', reason: undefined };
  if (state.isPaused) return { phase: 'paused', reason: undefined };
  if (state.closed !== undefined) return { phase: 'closed', reason: state.closed.reason };
  if (state.engineFault !== undefined) return { phase: 'engine_down', reason: state.engineFault };
  if (link?.fault !== undefined) return { phase: 'disconnected', reason: link.fault };
  if (trust?.standing === 'untrusted') return { phase: 'untrusted', reason: trust.fault };
  if (trust !== undefined && trust.standing !== 'verified')
    return { phase: 'unverified', reason: trust.fault };
  return { phase: 'serving', reason: undefined };
}

function downPhase({ failures, nextStartAt }: WorkerDown): Phase {
  if (nextStartAt === undefined) return 'failed';
  return failures >= CRASH_LOOP ? 'crash_loop' : 'restarting';
}
