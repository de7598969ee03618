import type { Family } from './family.ts';
import { plainShape } from './plain-shape.ts';

/**
 * Granite adds only a part r of what attention and the MLP make to the state. The state divided by r
 * gets the whole, and all of its norms have the same result if their epsilon is divided by r². So the
 * engines need no factor for it.
 */
export const GRANITE: Family = {
  types: ['granite'],
  read: (config) => {
    const factor = (name: string) =>
      config.fields.number(name, { min: MIN_FACTOR, max: MAX_FACTOR, or: 1 });
    const plain = plainShape(config, { defaults: { contextTokens: 2_048, normEps: 1e-6 } });
    const part = factor('residual_multiplier');
    return {
      ...plain,
      embeddingScale: factor('embedding_multiplier') / part,
      normEps: plain.normEps / part ** 2,
      attentionScale: factor('attention_multiplier'),
      outputScale: 1 / factor('logits_scaling'),
    };
  },
};

const [MIN_FACTOR, MAX_FACTOR] = [1e-4, 1e4];
