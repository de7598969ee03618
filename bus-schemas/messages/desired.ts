import { Hash } from '../bytes.ts';
import { defineMessage } from '../codec.ts';
import { BuildId, ModelName } from '../ids.ts';
import { type Static, Type } from '../type.ts';

/** Reasons why the network wants a build on a machine. */
export const DESIRED_REASONS = [
  /** The operator made it the preferred build of a model, of which the machine has the one before. */
  'rollout',
  /** The requests for the model exceed the machines that have it. */
  'demand',
] as const;
export type DesiredReason = (typeof DESIRED_REASONS)[number];

/** Most builds that one message names. */
export const MAX_DESIRED = 4;

export const DesiredBuild = Type.Object({
  model: ModelName,
  build: BuildId,
  /** The repository on Hugging Face from which the files come. */
  repository: Type.String({ minLength: 1, maxLength: 200 }),
  /** Digest of the files. A machine accepts only one that is in the transparency log. */
  weights: Hash,
  /** One of `DESIRED_REASONS`; plain text, because a newer router may have more of them. */
  reason: Type.String({ maxLength: 32 }),
});
export type DesiredBuild = Static<typeof DesiredBuild>;

export const DesiredBuilds = Type.Array(DesiredBuild, { minItems: 1, maxItems: MAX_DESIRED });
const desired = Type.Object({ builds: DesiredBuilds });
/**
 * Tells a machine which builds the network wants it to have. It is repeated once a minute as long as
 * that is so; the owner of the machine decides what happens.
 */
export const Desired = defineMessage('desired', desired);
