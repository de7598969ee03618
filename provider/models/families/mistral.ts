import type { FieldReader } from '../field-reader.ts';
import type { DecoderConfig, Family } from './family.ts';
import { denseMlp, type LayerWithoutHeads, plainShape, windowOf } from './plain-shape.ts';

/** If the configuration has a window, all layers have it. */
export const MISTRAL: Family = {
  types: ['mistral'],
  nestedTypes: ['mistral3'],
  read: (config: DecoderConfig) =>
    plainShape(config, {
      defaults: { kvHeads: 8, contextTokens: 131_072, normEps: 1e-6 },
      layerOf,
    }),
};

const layerOf = (fields: FieldReader): LayerWithoutHeads => ({
  rope: 0,
  window: fields.has('sliding_window') ? windowOf(fields) : 0,
  mlp: denseMlp(fields),
});
