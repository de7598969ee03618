import { availableParallelism } from 'node:os';
import { loadCpuEncoders } from '#native';
import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import { type Encoder, readWeights, textsOf } from './encoder.ts';
import { loadReferenceEncoder } from './reference-encoder.ts';

/**
 * Loads an encoder on the processor: in C++, or in plain TypeScript if the addon is not built.
 * Encoders are small, so a GPU would gain little, and all backends can have them beside.
 */
export function loadEncoder(model: EncoderModel): Promise<Encoder> {
  return loadNativeEncoder(model) ?? loadReferenceEncoder(model);
}

export function loadNativeEncoder(
  model: EncoderModel,
  { threads = availableParallelism(), addon: name = 'cpu' as 'cpu' | 'cpu-sanitized' } = {},
): Promise<Encoder> | undefined {
  const addon = loadCpuEncoders(name);
  if (!addon.available) return undefined;
  const { Encoder: Native, kernels } = addon.exports;
  return readWeights(model).then((weights) => {
    const native = new Native({ ...model.shape, threads, weights });
    return {
      name: `cpu (${kernels})`,
      pass: (inputs) => native.pass(textsOf(inputs)),
      [Symbol.asyncDispose]: () => native.close(),
    };
  });
}
