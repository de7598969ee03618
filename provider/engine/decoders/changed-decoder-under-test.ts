import type { Decoder } from './decoder.ts';

/** A decoder with other operations in place of some of its own. It has a draft head only by `changes`. */
export const changedDecoder = (decoder: Decoder, changes: Partial<Decoder>): Decoder => ({
  memoryBytes: decoder.memoryBytes,
  cacheBytes: 0,
  step: (step) => decoder.step(step),
  keep: (pages, states) => decoder.keep(pages, states),
  save: (units) => decoder.save(units),
  restore: (units, bytes) => decoder.restore(units, bytes),
  [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose](),
  ...changes,
});
