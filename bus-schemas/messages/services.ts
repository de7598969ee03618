import { X25519Key } from '../bytes.ts';
import { AccountId, BuildId, JobId, ModelName, ProviderId } from '../ids.ts';
import { At, count, countUpTo, nothing, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { WeightsHex } from './catalog.ts';
import { ChoiceReason, CostTerms } from './choice-reason.ts';
import { MAX_MEMORY_MB } from './conditions.ts';
import { DesiredBuild } from './desired.ts';
import { methodsOf, ok, refused } from './service-method.ts';
import {
  BreakerState,
  MACHINE_STATES,
  RoutingSwitch,
  SlotState,
  Traits,
  TrustLevel,
} from './vocabulary.ts';

export { accounts } from './accounts.ts';
export { catalog } from './catalog.ts';
export { releases } from './releases.ts';
export { settlement } from './settlement.ts';
export { telemetry } from './telemetry.ts';
export { transparency } from './transparency.ts';
export { trust } from './trust.ts';

/**
 * Requests between components, and their replies. A refusal that callers must handle is a part of
 * the reply's type.
 */

// routing

export const Candidate = Type.Object({
  provider: ProviderId,
  build: BuildId,
  suite: Type.String({ maxLength: 64 }),
  sealingKey: X25519Key,
  expectedFirstContentMs: Type.Number({ minimum: 0 }),
  /** Chip that the machine reports; not proven. */
  chip: optional(Type.String({ maxLength: 64 })),
  simulated: optional(Type.Boolean()),
  /** Present if a program that is in no release runs the machine's models. */
  engine: optional(Type.Literal('external')),
  /** Trust level of the machine. */
  level: optional(TrustLevel),
  /** Maximum cost of the request on this machine, in micro-dollars. */
  costMicroUsd: optional(count),
  /**
   * Parts of the cost by which routing compares machines, in milliseconds, if the caller asked for
   * them. Names are plain text, because a newer router may have more of them.
   */
  terms: optional(CostTerms),
});
export type Candidate = Static<typeof Candidate>;

/** Wishes of the caller. They never lead to a refusal: the machine that fits best serves. */
const preferences = Type.Object({
  /** Machines to try first, in this order. */
  order: optional(Type.Array(ProviderId, { maxItems: 32 })),
  /** The value to optimize; absent means the time to the first content. */
  sort: optional(Type.Enum(['latency', 'throughput', 'price'] as const)),
  minTokensPerSecond: optional(Type.Number({ minimum: 0, maximum: 1e6 })),
  maxFirstContentMs: optional(Type.Number({ minimum: 0, maximum: 1e9 })),
  /**
   * The machine for which the client has already sealed the request. Another machine is chosen only
   * if it is much better, because the client would have to seal again.
   */
  sealedFor: optional(ProviderId),
});
export type Preferences = Static<typeof preferences>;

/** Digest of the beginning of a conversation, and its length in tokens. */
const prefix = Type.Object({ key: Type.String({ maxLength: 32 }), tokens: count });
export type Prefix = Static<typeof prefix>;

/** Price in micro-dollars for a million tokens. */
const TokenPrice = Type.Object({ inputMicroUsdPerMillion: count, outputMicroUsdPerMillion: count });
export type TokenPrice = Static<typeof TokenPrice>;
const priceTerms = Type.Object({
  /** The price in the catalog. It applies to every machine without a price of its own. */
  list: TokenPrice,
  /** The maximum that the caller accepts. A machine with a higher price does not serve. */
  max: TokenPrice,
  /** Machines of the caller, which are free for the caller. */
  exempt: optional(Type.Array(ProviderId, { maxItems: 64 })),
});
export type PriceTerms = Static<typeof priceTerms>;

const reserve = Type.Object({
  job: JobId,
  account: AccountId,
  model: ModelName,
  /** Builds that may serve the model; the preferred build comes first. */
  builds: Type.Array(BuildId, { minItems: 1, maxItems: 8 }),
  promptTokens: count,
  maxOutputTokens: count,
  /** Longest time that the job may wait in the queue, in milliseconds. */
  patienceMs: count,
  /** Time until the first content is due, in milliseconds. Slower machines are not candidates. */
  firstContentMs: optional(count),
  /** Providers that already failed this job or that the caller excludes. */
  exclude: Type.Array(ProviderId, { maxItems: 128 }),
  /** If present, only these providers may serve the job. */
  only: optional(Type.Array(ProviderId, { maxItems: 64 })),
  /** Traits that a machine must have. */
  requires: optional(Traits),
  /**
   * SHA-256 of the files of each build, in hexadecimal. A machine must have attested this digest;
   * otherwise it could serve a cheaper model under the same name. A build that is not in this list
   * is not checked.
   */
  weights: optional(Type.Record(BuildId, WeightsHex)),
  /** Minimum trust level of a machine. */
  level: optional(TrustLevel),
  prefers: optional(preferences),
  /**
   * The client must seal the request for the machine that it is offered, and it may never do so.
   */
  clientSeals: optional(Type.Boolean()),
  /** The candidates get the terms of their cost, for the caller. */
  explains: optional(Type.Boolean()),
  /** The job is a line of a batch: it gets only idle capacity, after all other jobs. */
  isBatchLine: optional(Type.Boolean()),
  /** Absent if the price does not matter, for example on the caller's own machines. */
  price: optional(priceTerms),
  /** Longest first. A machine that has read one of these beginnings starts sooner. */
  prefixes: optional(Type.Array(prefix, { maxItems: 16 })),
});
export type Reserve = Static<typeof reserve>;

export const ROUTING_REFUSALS = [
  'no_provider',
  'saturated',
  'queue_full',
  'queue_timeout',
  'too_large',
] as const;
const reserved = Type.Union([
  /**
   * The first candidate is the winner, and its slot is reserved. The others are alternates, best
   * first.
   */
  ok({
    candidates: Type.Array(Candidate, { minItems: 1, maxItems: 9 }),
    queuedMs: count,
    /** Why the winner was chosen; absent if the job had its slot already. */
    because: optional(ChoiceReason),
  }),
  Type.Object({
    ...refused(ROUTING_REFUSALS).properties,
    retryAfterMs: count,
    /** The gate that most machines failed; absent if no machine offers the build. */
    gate: optional(Type.String({ maxLength: 32 })),
  }),
]);
export type Reserved = Static<typeof reserved>;
export type RoutingRefusal = (typeof ROUTING_REFUSALS)[number];

const fleetReply = Type.Object({
  providers: Type.Array(
    Type.Object({
      provider: ProviderId,
      build: BuildId,
      state: Type.String({ maxLength: 32 }),
      chip: Type.String({ maxLength: 64 }),
      simulated: Type.Boolean(),
      running: count,
      pending: count,
    }),
    { maxItems: 2000 },
  ),
});

/** Asks for each slot which gate keeps it from serving such a job at this moment. */
const explain = Type.Object({
  /** Absent means all builds that any machine serves. */
  builds: optional(Type.Array(BuildId, { maxItems: 64 })),
  /** Absent means all machines. */
  providers: optional(Type.Array(ProviderId, { maxItems: 1_000 })),
  promptTokens: count,
  maxOutputTokens: count,
  requires: optional(Traits),
  weights: optional(Type.Record(BuildId, WeightsHex)),
  /**
   * The listed prices of the models that these builds serve. A machine with a higher price gets the
   * gate `price`.
   */
  priced: optional(
    Type.Array(
      Type.Object({
        model: ModelName,
        builds: Type.Array(BuildId, { maxItems: 8 }),
        list: TokenPrice,
      }),
      { maxItems: 2_000 },
    ),
  ),
});
const explained = Type.Object({
  slots: Type.Array(
    Type.Object({
      provider: ProviderId,
      build: BuildId,
      chip: Type.String({ maxLength: 64 }),
      /** The first gate that the slot fails; absent if it could serve. */
      gate: optional(Type.String({ maxLength: 32 })),
      /** Explanation of the gate, and what would change the result. */
      because: Type.String({ maxLength: 256 }),
      load: count,
      maxConcurrency: count,
      expectedFirstContentMs: Type.Number({ minimum: 0 }),
      /** Terms of its cost in milliseconds, by name (`COST_TERMS`); absent if it could not serve. */
      terms: optional(Type.Record(Type.String({ maxLength: 32 }), Type.Number())),
      /** Context length that the machine reports for this build. */
      contextTokens: optional(count),
      /** Memory that the model needs at least, and memory of the computer, in MB. */
      memoryMb: optional(countUpTo(MAX_MEMORY_MB)),
      machineMemoryMb: optional(count),
      /** Whether the model is in memory. */
      state: optional(SlotState),
      traits: optional(Traits),
    }),
    { maxItems: 1_000 },
  ),
  /** Number of slots by gate, over all slots in question; `open` counts those that could serve. */
  tally: Type.Record(Type.String({ maxLength: 32 }), count),
  queued: count,
});

/** The free capacity of the fleet now, by build. */
const capacityReply = Type.Object({
  builds: Type.Array(
    Type.Object({
      build: BuildId,
      /** Machines that are connected and not draining. */
      providers: count,
      /** Those of them that have the build in memory. */
      warm: count,
      running: count,
      /** Number of sequences that could start at once. */
      freeSlots: count,
      freeTokens: count,
      decodeTps: Type.Number({ minimum: 0 }),
    }),
    { maxItems: 2_000 },
  ),
  queued: count,
  queueDepth: count,
});

/** Whether a cell stops accepting jobs, or accepts them again. */
const drain = Type.Object({ draining: Type.Boolean() });

/** Machines in one request for records: the reply stays below the largest message of the bus. */
export const MAX_RECORDS = 500;
const recordsOf = Type.Object({
  providers: Type.Array(ProviderId, { minItems: 1, maxItems: MAX_RECORDS }),
});
/** The stored record of a machine, and what its router knows now. */
const machineRecord = Type.Object({
  provider: ProviderId,
  /** Absent if nothing is stored. */
  lifetime: optional(
    Type.Object({
      firstSeenAt: At,
      seenAt: At,
      /** Jobs that it completed. */
      served: count,
      /** Attempts that failed through its fault. */
      failed: count,
      /** Attempts that it refused although it had reported free room. */
      refused: count,
      /** Attempts that it refused with the statement that the request is at fault. */
      blamed: count,
      /** Tokens of its answers that reached an ingress. */
      tokens: count,
      /** The chip that it reported last; absent if it was not connected since routers store it. */
      chip: optional(Type.String({ maxLength: 64 })),
    }),
  ),
  /** Absent if the machine is in no fleet. */
  now: optional(
    Type.Object({
      /** Rest of the pause after faults, in milliseconds. */
      pauseMs: Type.Number({ minimum: 0 }),
      /** Rest of the cooling after a refusal, in milliseconds. */
      coolingMs: Type.Number({ minimum: 0 }),
      /** Measured delay of first contents, relative to the fleet; absent if not measured. */
      slowdown: optional(Type.Number({ minimum: 0 })),
      speeds: Type.Array(
        Type.Object({ build: BuildId, tokensPerSecond: Type.Number({ minimum: 0 }) }),
        { maxItems: 8 },
      ),
      /** Age of the stored record when this router restored it; absent if it restored none. */
      restoredAgeMs: optional(Type.Number({ minimum: 0 })),
    }),
  ),
});
const recordsReply = Type.Object({ records: Type.Array(machineRecord, { maxItems: MAX_RECORDS }) });

/** Hours of a day and the present one, each from two cells at most. */
export const MAX_DAY_HOURS = 50;
const minutes = Type.Integer({ minimum: 0, maximum: 255 });
/** What a machine did in each hour of the last day in which its router has seen it. */
const dayReply = Type.Object({
  hours: Type.Array(
    Type.Object({
      /** Beginning of the hour. */
      at: At,
      servingMinutes: minutes,
      idleMinutes: minutes,
      blockedMinutes: minutes,
      /** The gate that was closed for most of the blocked minutes. */
      gate: optional(Type.String({ maxLength: 32 })),
    }),
    { maxItems: MAX_DAY_HOURS },
  ),
});

/** Machines in one page of `ready-hours`; with 25 hours each, a page has about 250 kB. */
export const MAX_READY_MACHINES = 200;
const readyHoursRequest = Type.Object({
  /** The last machine of the previous page. */
  after: optional(ProviderId),
});
const readyHours = Type.Object({
  /** In the order of their ids. Fewer than `MAX_READY_MACHINES` are the last page. */
  machines: Type.Array(
    Type.Object({
      provider: ProviderId,
      /** Memory of the computer, as the machine reported it last. */
      memoryMb: optional(count),
      hours: Type.Array(Type.Object({ at: At, servingMinutes: minutes, idleMinutes: minutes }), {
        maxItems: MAX_DAY_HOURS,
      }),
    }),
    { maxItems: MAX_READY_MACHINES },
  ),
});

/** Machines that get no jobs because of their faults, in one reply. */
export const MAX_BREAKERS = 1_000;
const breakersReply = Type.Object({
  breakers: Type.Array(
    Type.Object({
      provider: ProviderId,
      state: BreakerState,
      /** Time since its beginning, in milliseconds; absent if it was stored by an older version. */
      sinceMs: optional(Type.Number({ minimum: 0 })),
      /** Time until the machine gets jobs again, in milliseconds. */
      restMs: Type.Number({ minimum: 0 }),
      /** Number of pauses, or of refusals in a row. */
      times: count,
      /** The failure of an attempt, or the reason with which the machine refused one. */
      because: optional(Type.String({ maxLength: 32 })),
    }),
    { maxItems: MAX_BREAKERS },
  ),
});

const switches = Type.Object({ affinity: Type.Boolean(), warm_pool: Type.Boolean() });
/** For each part of routing, whether it is on. */
export type RoutingSwitches = Static<typeof switches>;
const setSwitch = Type.Object({ name: RoutingSwitch, isOn: Type.Boolean() });
/** Chips of the table in chips.ts; all other names that machines report count as `other`. */
const MAX_CENSUS = 1_000;
const censusReply = Type.Object({
  machines: Type.Array(
    Type.Object({
      chip: Type.String({ maxLength: 64 }),
      simulated: Type.Boolean(),
      state: Type.Enum(MACHINE_STATES),
      machines: count,
    }),
    { maxItems: MAX_CENSUS },
  ),
});

/** Builds of which the network wants more machines at the same time. */
export const MAX_WANTED = 16;
const wantedReply = Type.Object({ builds: Type.Array(DesiredBuild, { maxItems: MAX_WANTED }) });

const defineRouting = methodsOf('routing');
/** `reserve` and `drain` are sent to one cell; the other requests go to all cells or to one. */
export const routing = {
  reserve: defineRouting('reserve', reserve, reserved),
  capacity: defineRouting('capacity', nothing, capacityReply),
  explain: defineRouting('explain', explain, explained),
  census: defineRouting('census', nothing, censusReply),
  fleet: defineRouting('fleet', nothing, fleetReply),
  wanted: defineRouting('wanted', nothing, wantedReply),
  drain: defineRouting('drain', drain, drain),
  records: defineRouting('records', recordsOf, recordsReply),
  breakers: defineRouting('breakers', nothing, breakersReply),
  day: defineRouting('day', Type.Object({ provider: ProviderId }), dayReply),
  /** Returns the last day of all machines, as far as it is stored. */
  readyHours: defineRouting('ready-hours', readyHoursRequest, readyHours),
  switches: defineRouting('switches', nothing, switches),
  setSwitch: defineRouting('set-switch', setSwitch, switches),
} as const;
