import type { FieldReader } from '../field-reader.ts';
import { ModelError } from '../model-error.ts';
import type { RopeScaling } from '../rope.ts';
import type { DecoderConfig, Family } from './family.ts';
import { denseMlp, plainShape, rotatedOf, windowOf } from './plain-shape.ts';

/** One matrix holds the rows of queries, keys and values, and another those of gate and up. */
export const PHI3: Family = {
  types: ['phi3'],
  read: (config: DecoderConfig) => {
    const plain = plainShape(config, {
      scalingOf,
      layerOf: (fields) => ({
        rope: 0,
        window: fields.has('sliding_window') ? windowOf(fields) : 0,
        mlp: denseMlp(fields),
      }),
    });
    const rotated = rotatedOf(config.fields, { headDim: plain.headDim, factor: 1 });
    for (const { scaling } of plain.ropes)
      if (scaling.kind === 'long' && scaling.factors.length !== rotated / 2)
        throw new ModelError(
          'malformed_config',
          `long_factor has ${scaling.factors.length} items but must have ${rotated / 2}, one for each pair of numbers that rotates`,
        );
    return {
      ...plain,
      ropes: plain.ropes.map((rope) => ({ ...rope, rotated })),
      fused: ['qkv', 'gateUp'],
    };
  },
};

/** LongRoPE is also called su. */
function scalingOf(fields: FieldReader, about: FieldReader | undefined): RopeScaling {
  const type = about?.anyText('rope_type') ?? about?.anyText('type') ?? 'default';
  if (about === undefined || type === 'default') return { kind: 'none' };
  if (type !== 'longrope' && type !== 'su')
    throw new ModelError(
      'unsupported_architecture',
      `the rope scaling ${JSON.stringify(type.slice(0, 64))} of phi3 is not supported`,
    );
  const isFactor = (item: unknown): item is number =>
    typeof item === 'number' && item >= MIN_FACTOR && item <= MAX_FACTOR;
  const factors = about.list('long_factor', isFactor, MAX_PAIRS);
  if (factors === undefined)
    throw new ModelError('malformed_config', 'config.json.rope_scaling.long_factor is missing');
  const name = 'original_max_position_embeddings';
  const trained = (about.has(name) ? about : fields).integer(name, { min: 2, max: 10_000_000 });
  const stretched = fields.integer('max_position_embeddings', { max: 10_000_000 }) / trained;
  const factor = about.number('factor', { min: 1e-4, max: 1e4, or: stretched });
  const attention = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(trained));
  return {
    kind: 'long',
    factors,
    attention: about.number('attention_factor', { min: 1e-4, max: 1e4, or: attention }),
  };
}

const [MIN_FACTOR, MAX_FACTOR] = [1e-4, 1e6];
const MAX_PAIRS = 256;
