import type { DecoderShape } from './decoder-shape.ts';
import { findLayer, type HeadWeights } from './decoder-weights.ts';
import type { JsonObject } from './json.ts';
import { ModelError } from './model-error.ts';
import type { Tensors } from './safetensors.ts';
import { WeightFinder } from './weight-finder.ts';

/** The shape of a decoder, with the weights of its draft head if it has one. */
interface Headed {
  readonly shape: DecoderShape;
  readonly head?: HeadWeights;
}

/**
 * Finds the weights of a draft head. Many conversions leave them out, and others store them in a way that
 * no engine reads: the model then answers without its head, because a head changes only the speed.
 */
export function findHead(shape: DecoderShape, tensors: Tensors, config: JsonObject): Headed {
  const { head: layer, ...headless } = shape;
  // Qwen stores the head beside the decoder, and some conversions inside of it.
  const prefix = [shape.prefix, ''].find((each) => tensors.has(`${each}mtp.fc.weight`));
  if (layer === undefined || prefix === undefined) return { shape: headless };
  const find = new WeightFinder(tensors, config, prefix);
  const { hidden } = shape;
  try {
    return {
      shape,
      head: {
        embeddingNorm: find.vector('mtp.pre_fc_norm_embedding', hidden),
        hiddenNorm: find.vector('mtp.pre_fc_norm_hidden', hidden),
        join: find.matrix('mtp.fc', { out: hidden, in: 2 * hidden }),
        layer: findLayer(find, { shape, layer, path: 'mtp.layers.0' }),
        norm: find.vector('mtp.norm', hidden),
      },
    };
  } catch (error) {
    if (error instanceof ModelError) return { shape: headless };
    throw error;
  }
}

/** The model without its draft head. */
export function withoutHead<M extends { readonly shape: DecoderShape; readonly weights: object }>(
  model: M,
): M {
  const { head: _, ...shape } = model.shape;
  const { head: __, ...weights } = model.weights as { readonly head?: HeadWeights };
  return { ...model, shape, weights };
}
