import { availableParallelism } from 'node:os';
import { loadCpuEncoders } from '#native';
import type { BertModel } from '../../models/encoders/bert-model.ts';
import { type Encoder, readWeights, textsOf } from './encoder.ts';

/** Loads BERT in C++; undefined if the addon is not built. */
export function loadNativeEncoder(
  model: BertModel,
  { threads = availableParallelism(), addon: name = 'cpu' as 'cpu' | 'cpu-sanitized' } = {},
): Promise<Encoder> | undefined {
  const addon = loadCpuEncoders(name);
  if (!addon.available) return undefined;
  const { Encoder: Native, kernels } = addon.exports;
  return readWeights(model).then((weights) => {
    const native = new Native({ ...model.shape, threads, weights });
    return {
      name: `cpu (${kernels})`,
      vectorsPer: 'token',
      pass: (inputs) => native.pass(textsOf(inputs)),
      [Symbol.asyncDispose]: () => native.close(),
    };
  });
}
