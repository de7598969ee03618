import type { DecoderShape, Experts, LayerShape, PerLayerShape } from './decoder-shape.ts';
import type { ExpertsBeside, LayerWeights, PerLayerEmbedding } from './decoder-weights.ts';
import { findExperts } from './mlp-weights.ts';
import type { WeightFinder } from './weight-finder.ts';

interface LayerPath {
  readonly shape: DecoderShape;
  readonly layer: LayerShape;
  readonly path: string;
}

/** Finds what a layer of Gemma 4 has beside attention and a dense MLP, if anything. */
export function findGemma4Parts(
  find: WeightFinder,
  { shape, layer, path }: LayerPath,
): Pick<LayerWeights, 'expertsBeside' | 'perLayer' | 'scale'> {
  const { hidden, perLayer } = shape;
  const { expertsBeside: experts } = layer;
  return {
    ...(experts && { expertsBeside: findExpertsBeside(find, { hidden, experts, path }) }),
    ...(perLayer && {
      perLayer: {
        gate: find.matrix(`${path}.per_layer_input_gate`, { out: perLayer.width, in: hidden }),
        projection: find.matrix(`${path}.per_layer_projection`, {
          out: hidden,
          in: perLayer.width,
        }),
        norm: find.vector(`${path}.post_per_layer_input_norm`, hidden),
      },
    }),
    ...(find.has(`${path}.layer_scalar`) && { scale: find.tensor(`${path}.layer_scalar`, [1]) }),
  };
}

function findExpertsBeside(
  find: WeightFinder,
  { hidden, experts, path }: { hidden: number; experts: Experts; path: string },
): ExpertsBeside {
  const { experts: count, width } = experts;
  return {
    mlp: {
      ...findExperts(find, { width, count, hidden, path, inside: 'experts.switch_glu' }),
      router: find.matrix(`${path}.router.proj`, { out: count, in: hidden }),
    },
    inputNorm: find.vector(`${path}.pre_feedforward_layernorm_2`, hidden),
    outputNorm: find.vector(`${path}.post_feedforward_layernorm_2`, hidden),
    denseOutputNorm: find.vector(`${path}.post_feedforward_layernorm_1`, hidden),
    routerNorm: find.tensor(`${path}.router.scale`, [hidden]),
    shareScales: find.tensor(`${path}.router.per_expert_scale`, [count]),
  };
}

export function findPerLayerEmbedding(
  find: WeightFinder,
  { hidden, vocabulary, layers }: DecoderShape,
  { width }: PerLayerShape,
): PerLayerEmbedding {
  const all = layers.length * width;
  return {
    embedding: find.matrix('model.embed_tokens_per_layer', { out: vocabulary, in: all }),
    projection: find.matrix('model.per_layer_model_projection', { out: all, in: hidden }),
    norm: find.vector('model.per_layer_projection_norm', width),
  };
}
