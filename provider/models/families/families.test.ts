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

const GEMMA4 = {
  ...SIZES,
  model_type: 'gemma4_text',
  head_dim: 16,
  global_head_dim: 32,
  num_kv_shared_layers: 0,
  hidden_size_per_layer_input: 0,
  layer_types: ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention'],
};

const GLM4_MOE = {
  ...SIZES,
  model_type: 'glm4_moe',
  n_routed_experts: 8,
  num_experts_per_tok: 3,
  moe_intermediate_size: 64,
  n_group: 4,
  topk_group: 2,
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
      'another scaling of the rope of Phi-3',
      { ...SIZES, model_type: 'phi3', rope_scaling: { type: 'yarn', factor: 4 } },
      /the rope scaling "yarn" of phi3 is not supported/,
    ],
    [
      'LongRoPE without its factors',
      { ...SIZES, model_type: 'phi3', rope_scaling: { type: 'longrope', short_factor: [1] } },
      /long_factor is missing/,
    ],
    [
      'LongRoPE with factors for pairs that do not rotate',
      {
        ...SIZES,
        model_type: 'phi3',
        partial_rotary_factor: 0.75,
        original_max_position_embeddings: 16,
        rope_scaling: { type: 'longrope', long_factor: Array(8).fill(1) },
      },
      /long_factor has 8 items but must have 6/,
    ],
    [
      'Gemma 4 without the types of its layers',
      { ...GEMMA4, layer_types: null },
      /layer_types must be present and end with full_attention/,
    ],
    [
      'Gemma 4 that ends with a local layer',
      { ...GEMMA4, layer_types: Array(4).fill('sliding_attention') },
      /layer_types must be present and end with full_attention/,
    ],
    [
      'Gemma 4 without the number of layers that share keys',
      { ...GEMMA4, num_kv_shared_layers: null },
      /num_kv_shared_layers must be a whole number/,
    ],
    [
      'Gemma 4 whose local layers share keys that no layer has',
      { ...GEMMA4, num_kv_shared_layers: 4, use_double_wide_mlp: false },
      /leaves no layer of type sliding_attention/,
    ],
    [
      'Gemma 4 without the width of layers that share keys',
      { ...GEMMA4, num_kv_shared_layers: 1 },
      /use_double_wide_mlp is missing/,
    ],
    [
      'Gemma 4 that attends to later tokens',
      { ...GEMMA4, use_bidirectional_attention: 'all' },
      /use_bidirectional_attention "all" is not supported/,
    ],
    [
      'Gemma 4 with embeddings of layers for other tokens',
      { ...GEMMA4, hidden_size_per_layer_input: 16, vocab_size_per_layer_input: 64 },
      /vocab_size_per_layer_input is 64 but must equal vocab_size, 128/,
    ],
    [
      'windows of Qwen2-MoE',
      { ...SIZES, model_type: 'qwen2_moe', use_sliding_window: true, sliding_window: 8 },
      /use_sliding_window is not supported for qwen2_moe/,
    ],
    [
      'groups of experts from which too few can be chosen',
      { ...GLM4_MOE, num_experts_per_tok: 5 },
      /n_group divides 8 experts into 4 groups, .* at least num_experts_per_tok, 5/,
    ],
    [
      'groups of one expert, although a group is as good as two of them',
      { ...GLM4_MOE, n_group: 8, topk_group: 4, num_experts_per_tok: 2 },
      /n_group divides 8 experts into 8 groups, but each must have two or more/,
    ],
    [
      'another way to choose experts',
      { ...GLM4_MOE, scoring_func: 'softmax' },
      /scoring_func must be one of sigmoid, but is "softmax"/,
    ],
    [
      'a rotation of an odd number of numbers',
      { ...SIZES, model_type: 'glm4', head_dim: 10, partial_rotary_factor: 0.5 },
      /rotates 5 of 10 numbers/,
    ],
    [
      'Granite that adds nothing to its state',
      { ...SIZES, model_type: 'granite', residual_multiplier: 0 },
      /residual_multiplier/,
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

test('the text model of Gemma 4 12B is that of the other models of Gemma 4', () => {
  const nested = (type: string) =>
    readDecoderShape({
      model_type: type,
      text_config: { ...GEMMA4, model_type: `${type}_text`, attention_k_eq_v: true },
    });
  expect(nested('gemma4_unified')).toEqual(nested('gemma4'));
});

describe('Gemma 3', () => {
  const gemma = { ...SIZES, model_type: 'gemma3_text', head_dim: 16, sliding_window: 8 };

  test('has half of its window on each side of a token that attends to later ones', () => {
    const windows = (more: object) =>
      readDecoderShape({ ...gemma, ...more }).layers.map(({ window }) => window);
    expect(windows({ sliding_window_pattern: 2 })).toEqual([8, 0, 8, 0]);
    const both = { sliding_window_pattern: 2, use_bidirectional_attention: true };
    expect(windows(both)).toEqual([5, 0, 5, 0]);
    expect(readDecoderShape({ ...gemma, ...both }).attendsBothWays).toBe(true);
  });

  test('has the layers and the ropes that newer configurations name one by one', () => {
    const [local, global] = ['sliding_attention', 'full_attention'];
    const { layers, ropes } = readDecoderShape({
      ...gemma,
      layer_types: [local, global, global, local],
      rope_parameters: {
        [global as string]: { rope_type: 'linear', factor: 8, rope_theta: 2e6 },
        [local as string]: { rope_type: 'default', rope_theta: 2e4 },
      },
    });
    expect(layers.map(({ rope, window }) => [rope, window])).toEqual([
      [1, 8],
      [0, 0],
      [0, 0],
      [1, 8],
    ]);
    expect(ropes).toEqual([
      { theta: 2e6, scaling: { kind: 'linear', factor: 8 } },
      { theta: 2e4, scaling: { kind: 'none' } },
    ]);
  });
});
