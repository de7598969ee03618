import type { FieldReader } from '../field-reader.ts';
import type { JsonObject } from '../json.ts';
import { ModelError } from '../model-error.ts';
import { frequencies, type Rope } from '../rope.ts';

/**
 * Llama 3.1 and later: GGUF files hold a factor for each pair of a head instead of the four numbers
 * from which it is computed. Three of the four are the same in all published models.
 */
const LLAMA3 = { low: 1, high: 4, trained: 8_192 };
const TOLERANCE = 1e-4;

interface RopeFacts {
  readonly ropeFactors: Float32Array | undefined;
  readonly theta: number;
  readonly headDim: number;
}

/** Returns the field `rope_scaling` of config.json. */
export function ropeScalingOf(
  own: FieldReader,
  { ropeFactors, theta, headDim }: RopeFacts,
): JsonObject | null {
  const type = own.text('rope.scaling.type', ['none', 'linear', 'yarn'], { or: 'none' as const });
  if (ropeFactors !== undefined) {
    if (type !== 'none')
      throw new ModelError(
        'unsupported_architecture',
        `rope_freqs.weight beside a rope scaling of the type ${type} is not supported`,
      );
    return llama3Scaling(ropeFactors, { theta, headDim });
  }
  if (type === 'none') return null;
  return {
    rope_type: type,
    factor: own.number('rope.scaling.factor', { min: 1, max: 1e4 }),
    ...(type === 'yarn' && {
      original_max_position_embeddings: own.integer('rope.scaling.original_context_length', {
        max: 10_000_000,
      }),
    }),
  };
}

/** Finds the numbers that give the factors of the file, and refuses factors that no numbers give. */
function llama3Scaling(
  factors: Float32Array,
  { theta, headDim }: { theta: number; headDim: number },
): JsonObject {
  const factor = factors.reduce((most, each) => Math.max(most, each), 1);
  const plain = frequencies({ theta, scaling: { kind: 'none' } }, headDim);
  const scaling: Rope['scaling'] = { kind: 'llama3', factor, ...LLAMA3 };
  const scaled = frequencies({ theta, scaling }, headDim);
  const isSame =
    factors.length === scaled.length &&
    scaled.every((each, i) => {
      const wanted = (plain[i] as number) / each;
      return Math.abs((factors[i] as number) - wanted) <= TOLERANCE * wanted;
    });
  if (!isSame)
    throw new ModelError(
      'unsupported_architecture',
      'rope_freqs.weight does not have the factors of a Llama 3 model',
    );
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: LLAMA3.low,
    high_freq_factor: LLAMA3.high,
    original_max_position_embeddings: LLAMA3.trained,
  };
}
