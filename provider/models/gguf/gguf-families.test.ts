import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateGreedily, openFixture } from '#provider/engine/decoders/decoder-under-test.ts';
import { createReferenceBackend } from '#provider/engine/decoders/reference-decoder.ts';
import { type DecoderModel, openDecoderAlone } from '../model.ts';
import { decoderTensors } from './decoder-gguf-under-test.ts';
import { type Facts, float, ggufBytes, int, type TensorUnderTest } from './gguf-file-under-test.ts';
import { importGguf } from './import-gguf.ts';
import { smallFacts } from './small-gguf-under-test.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-gguf-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** The metadata of a decoder, beside the tokenizer of the small model. */
function factsOf(architecture: string, { shape }: DecoderModel, more: Facts): Facts {
  const text = Object.entries(smallFacts).filter(([key]) => key.startsWith('tokenizer.'));
  const own = {
    block_count: int(shape.layers.length),
    context_length: int(shape.contextTokens),
    embedding_length: int(shape.hidden),
    feed_forward_length: int(shape.layers[0]?.mlp.width ?? 0),
    'attention.head_count': int(shape.heads),
    'attention.head_count_kv': int(shape.layers[0]?.kvHeads as number),
    'attention.key_length': int(shape.headDim),
    'attention.value_length': int(shape.headDim),
    'attention.layer_norm_rms_epsilon': float(shape.normEps),
    'rope.freq_base': float(shape.ropes[0]?.theta ?? 0),
    ...more,
  };
  return {
    'general.architecture': architecture,
    ...Object.fromEntries(text),
    ...Object.fromEntries(
      Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, value]),
    ),
  };
}

async function imported(
  facts: Facts,
  tensors: Readonly<Record<string, TensorUnderTest>>,
): Promise<DecoderModel> {
  const file = join(folder, 'model.gguf');
  await writeFile(file, ggufBytes(facts, tensors));
  return openDecoderAlone((await importGguf({ file, to: join(folder, 'model') })).folder);
}

const linear = { 'rope.scaling.type': 'linear', 'rope.scaling.factor': float(2) };
const yarn = {
  'rope.scaling.type': 'yarn',
  'rope.scaling.factor': float(4),
  'rope.scaling.original_context_length': int(32),
};
test.each([
  ['qwen2', linear],
  ['qwen3', yarn],
] as const)('a %s that was a GGUF file generates the tokens of mlx-lm', async (name, more) => {
  const { model, prompt, greedy } = await openFixture(name);
  const converted = await imported(factsOf(name, model, more), await decoderTensors(model));
  expect(converted.shape).toEqual(model.shape);
  await using decoder = await createReferenceBackend().load({
    model: converted,
    pages: 16,
    maxTokens: 64,
  });
  const pages = Array.from({ length: 16 }, (_, page) => page);
  expect(await generateGreedily(decoder, { prompt, count: greedy.length, pages })).toEqual(greedy);
});

test('a gemma3 keeps its weights, and its norms lose the one that was added', async () => {
  const { model } = await openFixture('gemma3');
  const facts = factsOf('gemma3', model, {
    'attention.sliding_window': int(8),
    'rope.scaling.type': 'linear',
    'rope.scaling.factor': float(8),
  });
  const tensors = await decoderTensors(model);
  const converted = await imported(facts, tensors);
  expect(await decoderTensors(converted)).toEqual(tensors);
  // A GGUF file has no pattern of layers: every sixth layer of Gemma 3 sees all tokens.
  const { layers, attentionScale, ...shape } = model.shape;
  expect(converted.shape).toMatchObject(shape);
  expect(converted.shape.layers.map(({ window }) => window)).toEqual([8, 8, 8, 8]);
  expect(converted.shape.attentionScale).toBe(32 ** -0.5);
});

test('a qwen3moe keeps its experts', async () => {
  const { model } = await openFixture('qwen3-moe');
  const isRouted = (_: unknown, index: number) => index !== 1;
  const routed: DecoderModel = {
    ...model,
    shape: { ...model.shape, layers: model.shape.layers.filter(isRouted) },
    weights: { ...model.weights, layers: model.weights.layers.filter(isRouted) },
  };
  const facts = factsOf('qwen3moe', routed, {
    feed_forward_length: int(96),
    expert_count: int(6),
    expert_used_count: int(2),
    expert_feed_forward_length: int(64),
  });
  const tensors = await decoderTensors(routed);
  const converted = await imported(facts, tensors);
  expect(converted.shape).toEqual(routed.shape);
  expect(await decoderTensors(converted)).toEqual(tensors);
});
