import type { EncoderModel } from '../../models/encoders/encoder-model.ts';
import type { Backend } from '../decoders/decoder.ts';
import type { Encoder } from './encoder.ts';
import { loadNativeEncoder } from './native-encoder.ts';
import { ReadingEncoder } from './reading-encoder.ts';
import { loadReferenceEncoder } from './reference-encoder.ts';

/**
 * Loads an encoder. BERT is small, so a GPU would gain little: it runs in C++ or, if the addon is not
 * built, in plain TypeScript. A decoder that computes embeddings runs on the machine's backend.
 */
export function loadEncoder(model: EncoderModel, backend: Backend): Promise<Encoder> {
  if (model.kind === 'decoder') return ReadingEncoder.load(model, backend);
  return loadNativeEncoder(model) ?? loadReferenceEncoder(model);
}
