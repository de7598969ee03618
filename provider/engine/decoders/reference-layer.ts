import type { DecoderShape } from '../../models/decoder-shape.ts';
import { add, mlp, mlpAndExperts, multiplyMatrix, normalisedIf } from './reference-parts.ts';
import type { Layer } from './reference-weights.ts';

interface LayerParts {
  readonly shape: DecoderShape;
  readonly layer: Layer;
  readonly states: readonly Float32Array[];
  /** Returns for each token what it attends to, before the output projection, of the normalised states. */
  readonly mix: (inputs: readonly Float32Array[]) => readonly Float32Array[];
}

/** Adds to the states what attention, or Gated DeltaNet, and the MLP of a layer make of them. */
export function addLayer({ shape, layer, states, mix }: LayerParts): void {
  const eps = shape.normEps;
  const mixed = mix(states.map((state) => normalisedIf(state, { weight: layer.inputNorm, eps })));
  for (const [token, state] of states.entries()) {
    const attentionOut = multiplyMatrix(layer.o, mixed[token] as Float32Array);
    add(state, normalisedIf(attentionOut, { weight: layer.attentionNorm, eps }));
    const mlpOut = layer.expertsBeside
      ? mlpAndExperts(layer, state, shape)
      : mlp(layer, normalisedIf(state, { weight: layer.mlpNorm, eps }), shape);
    add(state, normalisedIf(mlpOut, { weight: layer.mlpOutputNorm, eps }));
  }
}
