import { HASH_BYTES, Hex } from '../bytes.ts';
import { AccountId, BuildId, KeyId, ModelName } from '../ids.ts';
import { At, count, nothing, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { methodsOf, ok, refused } from './service-method.ts';
import { Quantization, Traits } from './vocabulary.ts';

/** Requests of the other components and of operators about the models that the network offers. */

/** SHA-256 of the files of a build, in hexadecimal. */
export const WeightsHex = Hex(HASH_BYTES);

const described = {
  /** The public name. */
  id: ModelName,
  displayName: Type.String({ maxLength: 120 }),
  contextTokens: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
  maxOutputTokens: Type.Integer({ minimum: 1, maximum: 10_000_000 }),
  /** Builds that may serve the model; the preferred build comes first. */
  builds: Type.Array(BuildId, { minItems: 1, maxItems: 8 }),
  inputMicroUsdPerMillion: count,
  /**
   * Price of prompt tokens that a provider had in its cache; never higher than the price of input.
   */
  cacheReadMicroUsdPerMillion: count,
  outputMicroUsdPerMillion: count,
  createdAt: At,
  traits: optional(Traits),
  /** Absent for builds whose quantization is not recorded. */
  quantizations: optional(Type.Record(BuildId, Quantization)),
  /**
   * SHA-256 of each build's files, in hexadecimal. A machine that attested another digest does not
   * serve the build.
   */
  weights: optional(Type.Record(BuildId, WeightsHex)),
  /**
   * SHA-256 of the model's `tokenizer.json`, in hexadecimal: ingresses that have this file recount
   * samples of the answers.
   */
  tokenizer: optional(WeightsHex),
  description: optional(Type.String({ maxLength: 2_000 })),
  /** The repository on Hugging Face from which the weights come, such as `Qwen/Qwen3-4B`. */
  huggingFaceId: optional(Type.String({ maxLength: 128 })),
  /** Memory that a machine needs for the model, in GiB. */
  minimumMemoryGb: optional(Type.Integer({ minimum: 1, maximum: 4_096 })),
};
/** Only these accounts and keys may use the model. */
const Testers = Type.Array(Type.Union([AccountId, KeyId]), { maxItems: 256 });
const ShedReason = Type.String({ minLength: 1, maxLength: 200 });
const Deprecation = Type.Object({
  at: At,
  /** From this time on the operator may remove the model. */
  sunsetAt: optional(At),
  replacement: optional(ModelName),
});
export const CatalogModel = Type.Object({
  ...described,
  /** Absent for a model that everybody may use. */
  betaFor: optional(Testers),
  deprecation: optional(Deprecation),
  /** Requests for the model are refused until this time. */
  shed: optional(Type.Object({ until: At, reason: ShedReason })),
  /** The build that was preferred before the last rollout. */
  previousBuild: optional(BuildId),
});
export type CatalogModel = Static<typeof CatalogModel>;
/** Another public name of a model. */
const Alias = Type.Object({ alias: ModelName, model: ModelName });
const snapshot = Type.Object({
  revision: count,
  models: Type.Array(CatalogModel, { maxItems: 2000 }),
  aliases: optional(Type.Array(Alias, { maxItems: 2000 })),
});
export type CatalogSnapshot = Static<typeof snapshot>;

/**
 * A price that is absent is the platform's default; for cached tokens it is half of the input's
 * price.
 */
const NewModel = Type.Object({
  ...described,
  inputMicroUsdPerMillion: optional(count),
  cacheReadMicroUsdPerMillion: optional(count),
  outputMicroUsdPerMillion: optional(count),
});
export type NewModel = Static<typeof NewModel>;
const putModel = Type.Object({ model: NewModel });
const changed = Type.Object({ revision: count });
const named = Type.Object({ id: ModelName });
const maybeChanged = Type.Union([ok({ revision: count }), refused(['unknown', 'taken', 'in_use'])]);

const shed = Type.Object({
  id: ModelName,
  /** Absent ends the shedding. */
  shed: optional(Type.Object({ until: At, reason: ShedReason })),
});
/** Without `allowed` everybody may use the model. */
const setBeta = Type.Object({ id: ModelName, allowed: optional(Testers) });
/** Without `deprecation` the model is not deprecated any more. */
const deprecate = Type.Object({ id: ModelName, deprecation: optional(Deprecation) });
const rollOut = Type.Object({
  id: ModelName,
  build: BuildId,
  weights: optional(WeightsHex),
  /** True if no machine needs to serve the build yet. */
  isForced: Type.Boolean(),
});
const ROLL_OUT_REFUSALS = ['unknown', 'same_build', 'not_served', 'not_pinned'] as const;
const rolledOut = Type.Union([ok({ model: CatalogModel }), refused(ROLL_OUT_REFUSALS)]);
const reverted = Type.Union([ok({ model: CatalogModel }), refused(['unknown', 'no_previous'])]);
const ModelPrice = Type.Object({
  at: At,
  inputMicroUsdPerMillion: count,
  cacheReadMicroUsdPerMillion: count,
  outputMicroUsdPerMillion: count,
});
/** The price of a model from `at` on. */
export type ModelPrice = Static<typeof ModelPrice>;
const prices = Type.Object({ prices: Type.Array(ModelPrice, { maxItems: 1_000 }) });

const defineCatalog = methodsOf('catalog');
export const catalog = {
  snapshot: defineCatalog('snapshot', nothing, snapshot),
  putModel: defineCatalog('put-model', putModel, changed),
  /** Refused while the model has aliases. */
  dropModel: defineCatalog('drop-model', named, maybeChanged),
  putAlias: defineCatalog('put-alias', Alias, maybeChanged),
  dropAlias: defineCatalog('drop-alias', named, maybeChanged),
  // In the following requests `id` may also be an alias.
  shed: defineCatalog('shed', shed, maybeChanged),
  setBeta: defineCatalog('set-beta', setBeta, maybeChanged),
  deprecate: defineCatalog('deprecate', deprecate, maybeChanged),
  /** Makes a build the preferred one; the build before it stays as an alternative. */
  rollOut: defineCatalog('roll-out', rollOut, rolledOut),
  /** Prefers the build before the last rollout again. */
  revert: defineCatalog('revert', named, reverted),
  /** The prices that a model had, newest first. */
  prices: defineCatalog('prices', named, prices),
} as const;
