import { ModelError } from '../model-error.ts';
import type { DecoderConfig, Family } from './family.ts';
import { denseMlp, plainShape, windowOf } from './plain-shape.ts';

/** One matrix holds the rows of queries, keys and values, and another those of gate and up. */
export const PHI3: Family = {
  types: ['phi3'],
  read: (config: DecoderConfig) => {
    const scaling = config.fields.object('rope_parameters') ?? config.fields.object('rope_scaling');
    const type = scaling?.anyText('rope_type') ?? scaling?.anyText('type') ?? 'default';
    if (type !== 'default')
      throw new ModelError(
        'unsupported_architecture',
        `the rope scaling ${JSON.stringify(type.slice(0, 64))} of phi3 is not supported`,
      );
    if (config.fields.number('partial_rotary_factor', { or: 1 }) !== 1)
      throw new ModelError(
        'unsupported_architecture',
        'a partial_rotary_factor below 1 is not supported for phi3',
      );
    return {
      ...plainShape(config, {
        layerOf: (fields) => ({
          rope: 0,
          window: fields.has('sliding_window') ? windowOf(fields) : 0,
          mlp: denseMlp(fields),
        }),
      }),
      fused: ['qkv', 'gateUp'],
    };
  },
};
