import type { Decoder } from './decoder.ts';

/** A decoder with other operations in place of some of its own. */
export const changedDecoder = (decoder: Decoder, changes: Partial<Decoder>): Decoder => ({
  memoryBytes: decoder.memoryBytes,
  cacheBytes: 0,
  worksAhead: decoder.worksAhead === true,
  step: (step, expected) => decoder.step(step, expected),
  draft: (step) => decoder.draft(step),
  advance: (advance) => decoder.advance(advance),
  keep: (pages, states) => decoder.keep(pages, states),
  save: (units) => decoder.save(units),
  restore: (units, bytes) => decoder.restore(units, bytes),
  [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose](),
  ...changes,
});
