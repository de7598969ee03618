import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import { ModelError } from '../../models/model-error.ts';
import { PASS_TOKENS } from './encoder.ts';

/** Memory of an encoder, in bytes: its weights, and the numbers of one pass. */
export function encoderBytes({ weightBytes, shape }: EncoderModel): number {
  const { hidden, inner, positions } = shape;
  const perToken = Float32Array.BYTES_PER_ELEMENT * (8 * hidden + inner);
  return weightBytes + perToken * Math.max(PASS_TOKENS, positions);
}

/**
 * Divides encoders into those that fit beside one another and those that do not. They get their
 * memory before the caches of decoders are planned, because a request must not push a decoder out.
 */
export function encodersThatFit(
  encoders: readonly EncoderModel[],
  memoryBytes: number,
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
    const needed = encoderBytes(model);
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
