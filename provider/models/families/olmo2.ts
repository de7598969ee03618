import type { Family } from './family.ts';
import { plainShape } from './plain-shape.ts';

/** It normalises what attention and the MLP make, and not what they read. */
export const OLMO2: Family = {
  types: ['olmo2'],
  read: (config) => ({
    ...plainShape(config, { defaults: { contextTokens: 2_048 } }),
    norms: {
      attentionOutput: 'post_attention_layernorm',
      mlpOutput: 'post_feedforward_layernorm',
    },
    qkNorm: 'projections',
  }),
};
