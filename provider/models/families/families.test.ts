import { describe, expect, test } from 'vitest';
import { readDecoderShape } from '../decoder-shape.ts';
import type { JsonObject } from '../json.ts';

const SIZES = {
  vocab_size: 128,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 4096,
};

describe('a configuration that no engine computes is refused with its name:', () => {
  const refused: [string, JsonObject, RegExp][] = [
    ['an unknown family', { model_type: 'mamba' }, /model_type "mamba" is not supported/],
    ['no family', {}, /model_type "undefined" is not supported; supported are llama, /],
    [
      'another text model in a known model with images',
      { model_type: 'mistral3', text_config: { ...SIZES, model_type: 'ministral3' } },
      /"mistral3" with a text_config of type "ministral3"/,
    ],
    [
      'a text model where a model with images belongs',
      { model_type: 'llama', text_config: { ...SIZES, model_type: 'llama' } },
      /"llama" with a text_config/,
    ],
    [
      'LongRoPE',
      { ...SIZES, model_type: 'phi3', rope_scaling: { type: 'longrope', short_factor: [1] } },
      /the rope scaling "longrope" of phi3 is not supported/,
    ],
    [
      'heads that rotate in part',
      { ...SIZES, model_type: 'phi3', partial_rotary_factor: 0.75 },
      /partial_rotary_factor below 1/,
    ],
    [
      'windows of SmolLM3',
      { ...SIZES, model_type: 'smollm3', use_sliding_window: true, sliding_window: 8 },
      /use_sliding_window is not supported for smollm3/,
    ],
    [
      'too few layers with a rope',
      { ...SIZES, model_type: 'smollm3', no_rope_layers: [1, 0] },
      /no_rope_layers has 2 items but must have 4/,
    ],
  ];
  test.each(refused)('%s', (_, config, reason) => {
    expect(() => readDecoderShape(config)).toThrow(reason);
  });
});

test('Mistral inside a model with images has its window in every layer', () => {
  const shape = readDecoderShape({
    model_type: 'mistral3',
    text_config: { ...SIZES, model_type: 'mistral', sliding_window: 8 },
  });
  expect(shape.layers.map(({ window }) => window)).toEqual([8, 8, 8, 8]);
  expect(shape.prefix).toBe('language_model.');
});
