import { CountedFaults, DemandOfBuilds, MACHINE_FAULTS, MAX_DESIRED } from '#bus-schemas';
import { checkerOf } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { CLOSURE_REASONS, ENGINE_FAULTS, GUEST_NOTES } from '../reasons.ts';

/**
 * Messages between the worker, which serves the models, and the supervisor, which starts the worker
 * and answers the owner. They are sent over the IPC channel of the child process.
 */

const count = Type.Integer({ minimum: 0 });

const Model = Type.Object({
  build: Type.String(),
  /** The state of its slot, for example `resident` for a model in memory. */
  state: Type.String(),
  running: count,
  waiting: count,
  /** Memory for its weights and its largest cache; absent if another program holds them. */
  bytes: Type.Optional(count),
});
export type ReportedModel = Static<typeof Model>;

const StoredPrefixes = Type.Object({ bytes: count, grantedBytes: count, tokensRead: count });
export type ReportedPrefixes = Static<typeof StoredPrefixes>;

export const WorkerReport = Type.Union([
  /** The owner must approve a code before the machine can serve. */
  Type.Object({ t: Type.Literal('link_code'), code: Type.String(), page: Type.String() }),
  /** The machine is enrolled, and its models are open. */
  Type.Object({
    t: Type.Literal('serving'),
    provider: Type.String(),
    engine: Type.String(),
    coordinator: Type.String(),
  }),
  /** Sent every second; without it the worker counts as frozen. */
  Type.Object({
    t: Type.Literal('pulse'),
    running: count,
    models: Type.Array(Model),
    /** Memory for models; absent if they are in another program, which decides about it. */
    memoryBytes: Type.Optional(count),
    /** Pages of prompts on the disk; absent if none are kept there. */
    prefixes: Type.Optional(StoredPrefixes),
    /** Why the leaf has no link to a hub; absent while it has one. */
    linkFault: Type.Optional(Type.String()),
    /** Why the engine does not run; absent while it runs. */
    engineFault: Type.Optional(Type.Enum(ENGINE_FAULTS)),
    /** Why the machine accepts no new requests; absent while it does. */
    closed: Type.Optional(
      Type.Object({
        reason: Type.Enum(CLOSURE_REASONS),
        /** Time at which it opens again, in milliseconds since 1970, if it is known. */
        until: Type.Optional(Type.Number()),
      }),
    ),
    /** What the owner should know although the machine may accept requests; absent if nothing. */
    notes: Type.Optional(Type.Array(Type.Enum(GUEST_NOTES))),
  }),
  /** The network has judged this machine. */
  Type.Object({
    t: Type.Literal('trust'),
    standing: Type.String(),
    level: Type.String(),
    fault: Type.Optional(Type.String()),
  }),
  /** The router's report on the requests of the last minute for the builds of this machine. */
  Type.Object({ t: Type.Literal('demand'), builds: DemandOfBuilds }),
  /** The machine has reported these faults to the operator of the network. */
  Type.Object({ t: Type.Literal('reported'), faults: CountedFaults }),
  /** The network wants these builds here. */
  Type.Object({
    t: Type.Literal('desired'),
    builds: Type.Array(
      Type.Object({
        model: Type.String(),
        build: Type.String(),
        repository: Type.String(),
        /** In hexadecimal. */
        weights: Type.String(),
        reason: Type.String(),
      }),
      { maxItems: MAX_DESIRED },
    ),
  }),
  /** The machine serves a further model, or why it does not. */
  Type.Object({ t: Type.Literal('added'), model: Type.String(), build: Type.String() }),
  Type.Object({ t: Type.Literal('not_added'), model: Type.String(), why: Type.String() }),
  /** An answer has ended. */
  Type.Object({
    t: Type.Literal('answered'),
    build: Type.String(),
    finish: Type.String(),
    promptTokens: count,
    completionTokens: count,
    ms: count,
  }),
]);
export type WorkerReport = Static<typeof WorkerReport>;

export const WorkerOrder = Type.Union([
  Type.Object({ t: Type.Enum(['pause', 'resume']) }),
  /** Loads a model, for which others make room: all of them, or only idle ones. */
  Type.Object({ t: Type.Enum(['switch', 'load']), build: Type.String({ maxLength: 256 }) }),
  /** Serves a further model, by its folder or its name in Hugging Face's cache. */
  Type.Object({ t: Type.Literal('add'), model: Type.String({ maxLength: 4_096 }) }),
  /** Another program of the owner met a fault that the machine reports. */
  Type.Object({ t: Type.Literal('note'), fault: Type.Enum(MACHINE_FAULTS) }),
]);
export type WorkerOrder = Static<typeof WorkerOrder>;

export const isWorkerReport = checkerOf(WorkerReport).Check;
export const isWorkerOrder = checkerOf(WorkerOrder).Check;
