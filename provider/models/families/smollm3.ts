import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { DecoderConfig, Family } from './family.ts';
import {
  type LayerPlace,
  type LayerWithoutHeads,
  MAX_LAYERS,
  plainLayer,
  plainShape,
} from './plain-shape.ts';

export const SMOLLM3: Family = {
  types: ['smollm3'],
  read: (config: DecoderConfig) => {
    if (config.fields.flag('use_sliding_window', false))
      throw new ModelError(
        'unsupported_architecture',
        'use_sliding_window is not supported for smollm3',
      );
    const plain = plainShape(config, {
      defaults: { contextTokens: 32_768, normEps: 1e-6, ropeTheta: 2e6, tied: true },
      layerOf,
    });
    return { ...plain, ropes: [...plain.ropes, { theta: 1, scaling: { kind: 'still' } }] };
  },
};

/** Every fourth layer rotates nothing, unless the configuration names other ones. */
function layerOf(fields: FieldReader, place: LayerPlace): LayerWithoutHeads {
  const isFlag = (item: unknown): item is number => item === 0 || item === 1;
  const rotates = fields.list('no_rope_layers', isFlag, MAX_LAYERS);
  if (rotates !== undefined && rotates.length !== place.layers)
    throw new ModelError(
      'malformed_config',
      `config.json.no_rope_layers has ${rotates.length} items but must have ${place.layers}, one for each layer`,
    );
  const usual = (place.index + 1) % fields.integer('no_rope_layer_interval', { or: 4 });
  return { ...plainLayer(fields, place), rope: (rotates?.[place.index] ?? usual) === 0 ? 1 : 0 };
}
