import { type Static, Type } from 'typebox';
import { HASH_BYTES, Hex, X25519Key } from '../bytes.ts';
import { AccountId, BuildId, JobId, ModelName, ProviderId } from '../ids.ts';
import { At, count, nothing, optional } from '../schema-parts.ts';
import { methodsOf, ok, refused } from './service-method.ts';
import { Quantization, Traits, TrustLevel } from './vocabulary.ts';

export { accounts } from './accounts.ts';
export { releases } from './releases.ts';
export { settlement } from './settlement.ts';
export { telemetry } from './telemetry.ts';
export { transparency } from './transparency.ts';
export { trust } from './trust.ts';

/**
 * Requests between components, and their answers. A refusal that a caller must handle is part of
 * the answer's type.
 */

const WeightsHex = Hex(HASH_BYTES);

// routing

export const Candidate = Type.Object({
  provider: ProviderId,
  build: BuildId,
  suite: Type.String({ maxLength: 64 }),
  sealingKey: X25519Key,
  expectedFirstContentMs: Type.Number({ minimum: 0 }),
  /** What it says it is. */
  chip: optional(Type.String({ maxLength: 64 })),
  simulated: optional(Type.Boolean()),
  /** What it has shown. */
  level: optional(TrustLevel),
  /** The most that the request can cost on this machine. */
  costMicroUsd: optional(count),
});
export type Candidate = Static<typeof Candidate>;

/** What its caller would rather have. Nobody is turned away for it: who comes nearest serves. */
const preferences = Type.Object({
  /** Asked in this order before all others. */
  order: optional(Type.Array(ProviderId, { maxItems: 32 })),
  /** What counts most; the time to the first content when left out. */
  sort: optional(Type.Enum(['latency', 'throughput', 'price'] as const)),
  minTokensPerSecond: optional(Type.Number({ minimum: 0, maximum: 1e6 })),
  maxFirstContentMs: optional(Type.Number({ minimum: 0, maximum: 1e9 })),
  /** It is sealed for this one already: another has to be much better to be worth the way back. */
  sealedFor: optional(ProviderId),
});
export type Preferences = Static<typeof preferences>;

/** The beginning of a conversation, as a digest, and how long it is. */
const prefix = Type.Object({ key: Type.String({ maxLength: 32 }), tokens: count });
export type Prefix = Static<typeof prefix>;

/** Micro-dollars for a million tokens. */
const TokenPrice = Type.Object({ inputMicroUsdPerMillion: count, outputMicroUsdPerMillion: count });
export type TokenPrice = Static<typeof TokenPrice>;
const priceTerms = Type.Object({
  /** The price in the catalog: it applies to every machine without a price of its own. */
  list: TokenPrice,
  /** A machine that asks for more does not serve. */
  max: TokenPrice,
  /** Machines of the caller, whose price does not matter. */
  exempt: optional(Type.Array(ProviderId, { maxItems: 64 })),
});
export type PriceTerms = Static<typeof priceTerms>;

const reserve = Type.Object({
  job: JobId,
  account: AccountId,
  model: ModelName,
  /** Builds that may serve the model, best first. */
  builds: Type.Array(BuildId, { minItems: 1, maxItems: 8 }),
  promptTokens: count,
  maxOutputTokens: count,
  /** How long the caller will wait in the queue. */
  patienceMs: count,
  /** The first content is wanted within this time: a machine that would take longer is none. */
  firstContentMs: optional(count),
  /** Providers that already failed this job, or that its caller does not want. */
  exclude: Type.Array(ProviderId, { maxItems: 128 }),
  /** No other may serve it. */
  only: optional(Type.Array(ProviderId, { maxItems: 64 })),
  /** What a machine must be able to do. */
  requires: optional(Traits),
  /**
   * What the files of a build must amount to, in hexadecimal; of a build that is not named,
   * anything.
   */
  weights: optional(Type.Record(BuildId, WeightsHex)),
  /** What a machine must have shown at least. */
  level: optional(TrustLevel),
  prefers: optional(preferences),
  /** The client has to seal the request for the machine that it is offered, and may never do so. */
  clientSeals: optional(Type.Boolean()),
  /** Absent where price does not matter: the caller's own machines are free. */
  price: optional(priceTerms),
  /** Longest first: who has read one of them begins sooner. */
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
  /** The first is the winner and its slot is taken; the others are alternates in order. */
  ok({
    candidates: Type.Array(Candidate, { minItems: 1, maxItems: 9 }),
    queuedMs: count,
  }),
  Type.Object({
    ...refused(ROUTING_REFUSALS).properties,
    retryAfterMs: count,
    /** The gate that most machines failed; absent where no machine offers the build. */
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

/** What would keep slots from serving such a job at this moment. */
const explain = Type.Object({
  /** All that somebody serves when left out. */
  builds: optional(Type.Array(BuildId, { maxItems: 64 })),
  /** Everybody when left out. */
  providers: optional(Type.Array(ProviderId, { maxItems: 1_000 })),
  promptTokens: count,
  maxOutputTokens: count,
  requires: optional(Traits),
  weights: optional(Type.Record(BuildId, WeightsHex)),
  /**
   * The listed prices of the models that these builds serve: a machine that asks for more is shown
   * with the gate `price`.
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
      /** The first gate that does not hold; absent where it would serve. */
      gate: optional(Type.String({ maxLength: 32 })),
      /** What that means, and what would change it. */
      because: Type.String({ maxLength: 256 }),
      load: count,
      maxConcurrency: count,
      expectedFirstContentMs: Type.Number({ minimum: 0 }),
      /** Reported by the machine for this build. */
      contextTokens: optional(count),
      traits: optional(Traits),
    }),
    { maxItems: 1_000 },
  ),
  /** Slots by gate, of all that were asked about; `open` are those that would serve. */
  tally: Type.Record(Type.String({ maxLength: 32 }), count),
  queued: count,
});

/** What the fleet could take on now, by build. */
const capacityReply = Type.Object({
  builds: Type.Array(
    Type.Object({
      build: BuildId,
      /** Heard from, not draining. */
      providers: count,
      /** Of these, with the build in memory. */
      warm: count,
      running: count,
      /** Sequences that could start at once. */
      freeSlots: count,
      freeTokens: count,
      decodeTps: Type.Number({ minimum: 0 }),
    }),
    { maxItems: 2_000 },
  ),
  queued: count,
  queueDepth: count,
});

/** A cell that is to serve nobody any more, or to serve again. */
const drain = Type.Object({ draining: Type.Boolean() });

const defineRouting = methodsOf('routing');
/** `reserve` and `drain` are asked of one cell; the others of the whole fleet or of one cell. */
export const routing = {
  reserve: defineRouting('reserve', reserve, reserved),
  capacity: defineRouting('capacity', nothing, capacityReply),
  explain: defineRouting('explain', explain, explained),
  fleet: defineRouting('fleet', nothing, fleetReply),
  drain: defineRouting('drain', drain, drain),
} as const;

// catalog

export const CatalogModel = Type.Object({
  /** The public name. */
  id: ModelName,
  displayName: Type.String({ maxLength: 120 }),
  contextTokens: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
  maxOutputTokens: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
  /** Builds that may serve it, wanted one first. */
  builds: Type.Array(BuildId, { minItems: 1, maxItems: 8 }),
  inputMicroUsdPerMillion: count,
  /** For prompt tokens that a provider had in its cache; never more than the input's. */
  cacheReadMicroUsdPerMillion: count,
  outputMicroUsdPerMillion: count,
  createdAt: At,
  traits: optional(Traits),
  /** Of builds of which it is known. */
  quantizations: optional(Type.Record(BuildId, Quantization)),
  /**
   * SHA-256 of each build's files, in hexadecimal: a machine that has shown others does not serve
   * it.
   */
  weights: optional(Type.Record(BuildId, WeightsHex)),
  /**
   * SHA-256 of the model's `tokenizer.json`, in hexadecimal: ingresses that have this file recount
   * samples of the answers.
   */
  tokenizer: optional(WeightsHex),
});
export type CatalogModel = Static<typeof CatalogModel>;
/** Another name of a model. */
const Alias = Type.Object({ alias: ModelName, model: ModelName });
const snapshot = Type.Object({
  revision: count,
  models: Type.Array(CatalogModel, { maxItems: 2000 }),
  aliases: optional(Type.Array(Alias, { maxItems: 2000 })),
});
export type CatalogSnapshot = Static<typeof snapshot>;

/**
 * What is left out of the price is the platform's default; a cached token's is half of the input's.
 */
const NewModel = Type.Object({
  ...CatalogModel.properties,
  inputMicroUsdPerMillion: optional(count),
  cacheReadMicroUsdPerMillion: optional(count),
  outputMicroUsdPerMillion: optional(count),
});
export type NewModel = Static<typeof NewModel>;
const putModel = Type.Object({ model: NewModel });
const changed = Type.Object({ revision: count });
const named = Type.Object({ id: ModelName });
const maybeChanged = Type.Union([ok({ revision: count }), refused(['unknown', 'taken', 'in_use'])]);

const defineCatalog = methodsOf('catalog');
export const catalog = {
  snapshot: defineCatalog('snapshot', nothing, snapshot),
  putModel: defineCatalog('put-model', putModel, changed),
  /** Its aliases have to go first. */
  dropModel: defineCatalog('drop-model', named, maybeChanged),
  putAlias: defineCatalog('put-alias', Alias, maybeChanged),
  dropAlias: defineCatalog('drop-alias', named, maybeChanged),
} as const;
