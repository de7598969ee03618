import type { DecoderModel } from '../models/model.ts';
import { ModelError } from '../models/model-error.ts';
import { type Backend, kvBytesPerToken } from './decoders/decoder.ts';

/** Context in tokens for which each model must have room. */
const LEAST_CONTEXT = 2_048;

interface NamedModel extends DecoderModel {
  readonly build: string;
}

interface Memory {
  readonly backend: Pick<Backend, 'cacheNumberBytes'>;
  /** Memory for all models and their caches, in bytes. */
  readonly memoryBytes: number;
}

/**
 * Divides models into those that fit beside one another, in their order, and those that do not. A
 * model is refused before it is loaded: a load that runs out of memory would end the whole program.
 */
export function modelsThatFit<M extends NamedModel>(
  models: readonly M[],
  { backend, memoryBytes }: Memory,
): { fitting: M[]; refused: { build: string; error: ModelError }[] } {
  const fitting: M[] = [];
  const refused: { build: string; error: ModelError }[] = [];
  let free = memoryBytes;
  for (const model of models) {
    const needed = leastBytes(model, backend);
    if (needed <= free) {
      free -= needed;
      fitting.push(model);
    } else {
      const error = new ModelError(
        'too_large',
        `${model.build} needs ${needed} bytes of memory, and ${free} of the ${memoryBytes} bytes for models are free`,
      );
      refused.push({ build: model.build, error });
    }
  }
  return { fitting, refused };
}

/** Memory for the weights of a model and its least cache, in bytes. */
export function leastBytes(model: DecoderModel, backend: Memory['backend']): number {
  const tokens = Math.min(LEAST_CONTEXT, model.shape.contextTokens);
  return model.weightBytes + tokens * kvBytesPerToken(model, backend);
}
