import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import { ModelError } from '../../models/model-error.ts';
import { type Backend, kvBytesPerToken, PAGE_TOKENS } from '../decoders/decoder.ts';
import { PASS_TOKENS } from './encoder.ts';
import { sizesOf } from './reading-encoder.ts';

type Sizes = Pick<Backend, 'cacheNumberBytes'>;

/** Memory of an encoder, in bytes: its weights, and the numbers of one pass. */
export function encoderBytes(model: EncoderModel, backend: Sizes): number {
  const numberBytes = Float32Array.BYTES_PER_ELEMENT;
  if (model.kind === 'bert') {
    const { hidden, inner, positions } = model.shape;
    return (
      model.weightBytes + numberBytes * (8 * hidden + inner) * Math.max(PASS_TOKENS, positions)
    );
  }
  const { decoder, weightBytes } = model;
  const { maxTokens, pages } = sizesOf(model);
  const widest = Math.max(...decoder.shape.layers.map(({ mlp }) => mlp.width));
  const perToken = numberBytes * (8 * decoder.shape.hidden + 2 * widest);
  const cache = pages * PAGE_TOKENS * kvBytesPerToken(decoder, backend);
  return weightBytes + maxTokens * perToken + cache;
}

/**
 * Divides encoders into those that fit beside one another and those that do not. They get their
 * memory before the caches of decoders are planned, because a request must not push a decoder out.
 */
export function encodersThatFit(
  encoders: readonly EncoderModel[],
  { backend, memoryBytes }: { backend: Sizes; memoryBytes: number },
): {
  fitting: EncoderModel[];
  refused: { build: string; error: ModelError }[];
  /** Memory that is left for decoders, in bytes. */
  leftBytes: number;
} {
  const fitting: EncoderModel[] = [];
  const refused: { build: string; error: ModelError }[] = [];
  let leftBytes = memoryBytes;
  for (const model of encoders) {
    const needed = encoderBytes(model, backend);
    if (needed <= leftBytes) {
      leftBytes -= needed;
      fitting.push(model);
      continue;
    }
    const error = new ModelError(
      'too_large',
      `${model.build} needs ${needed} bytes of memory, and this machine has ${leftBytes} bytes left for models`,
    );
    refused.push({ build: model.build, error });
  }
  return { fitting, refused, leftBytes };
}
