import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import {
  fixturesWithAssistants,
  openAssistantOf,
  openFixture,
} from '../engine/decoders/decoder-under-test.ts';
import {
  logUnused,
  openDraftModels,
  withDrafter,
} from '../engine/speculation/open-draft-models.ts';
import { assistantFor, openAssistant } from './assistant-model.ts';
import { openModel } from './model.ts';
import { ModelFolder } from './model-folder.ts';

const FOLDER = join(import.meta.dirname, '../engine/fixtures/gemma4-assisted-groups/assistant');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-assistant-'));
  await cp(FOLDER, folder, { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));

/** The code with which a changed copy of the assistant is refused, or `opened`. */
async function openedWith(change: {
  readonly config?: (config: Record<string, unknown>) => void;
  readonly weights?: (bytes: Buffer, at: (name: string) => number) => void;
}): Promise<string> {
  const config = JSON.parse(await readFile(join(FOLDER, 'config.json'), 'utf8'));
  change.config?.(config);
  const bytes = await readFile(join(FOLDER, 'model.safetensors'));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  change.weights?.(bytes, (name) => 8 + length + header[name].data_offsets[0]);
  await writeFile(join(folder, 'model.safetensors'), bytes);
  try {
    await openAssistant(await ModelFolder.open(folder), config, 'assistant');
    return 'opened';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const ORDER = 'masked_embedding.token_ordering';

test('an assistant opens under both of its names', async () => {
  expect(await openedWith({})).toBe('opened');
  const drafting = async (type: string) => {
    const config = JSON.parse(await readFile(join(FOLDER, 'config.json'), 'utf8'));
    await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, model_type: type }));
    return (await openDraftModels([folder], { error: () => {} })).map(({ kind }) => kind);
  };
  expect(await drafting('gemma4_unified_assistant')).toEqual(['assistant']);
  expect(await drafting('gemma4_assistant')).toEqual(['assistant']);
  expect(await drafting('gemma5_assistant')).toEqual([]);
});

test.for([
  [
    'a token twice',
    (bytes: Buffer, at: number) => bytes.writeBigInt64LE(bytes.readBigInt64LE(at), at + 8),
  ],
  [
    'a token outside of the vocabulary',
    (bytes: Buffer, at: number) => bytes.writeBigInt64LE(512n, at),
  ],
  ['a negative token', (bytes: Buffer, at: number) => bytes.writeBigInt64LE(-1n, at)],
  ['a huge token', (bytes: Buffer, at: number) => bytes.writeBigInt64LE(2n ** 32n, at)],
] as const)('groups with %s are refused, because tokens become row numbers', async ([, change]) => {
  expect(await openedWith({ weights: (bytes, at) => change(bytes, at(ORDER)) })).toBe(
    'malformed_weights',
  );
});

test('a folder that no engine computes is refused', async () => {
  const text = (fields: object) => (config: Record<string, unknown>) =>
    void Object.assign(config['text_config'] as object, fields);
  const all = (fields: object) => (config: Record<string, unknown>) =>
    void Object.assign(config, fields);
  const codes = [];
  for (const config of [
    text({ hidden_size_per_layer_input: 8, vocab_size_per_layer_input: 512 }),
    all({ num_centroids: 33 }),
    all({ num_centroids: 1024 }),
    all({ centroid_intermediate_top_k: 33 }),
    all({ text_config: undefined }),
    all({ backbone_hidden_size: 32 }),
    text({ num_attention_heads: 4 }),
  ])
    codes.push(await openedWith({ config }));
  expect(codes).toEqual([
    'unsupported_architecture',
    'malformed_config',
    'malformed_config',
    'malformed_config',
    'malformed_config',
    'wrong_shape',
    'wrong_shape',
  ]);
});

test('a NaN in a norm is refused', async () => {
  const weights = (bytes: Buffer, at: (name: string) => number) =>
    void bytes.writeUInt16LE(0x7fc0, at('model.norm.weight'));
  expect(await openedWith({ weights })).toBe('not_finite');
});

test('layers read the last layers with keys that have their attention', async () => {
  const keysOf = async (name: (typeof fixturesWithAssistants)[number]) =>
    assistantFor((await openFixture(name)).model, await openAssistantOf(name))?.shape.layers.map(
      (layer) => layer.keysOf,
    );
  // The last two of six layers have no keys.
  expect(await keysOf('gemma4-assisted-groups')).toEqual([2, 2, 3]);
  expect(await keysOf('gemma4-assisted')).toEqual([2, 2, 3]);
});

test('a model of another shape gets no assistant', async () => {
  const { model } = await openFixture('gemma4-assisted');
  const assistant = await openAssistantOf('gemma4-assisted');
  const { shape } = model;
  const last = shape.layers.length - 1;
  const others = [
    { ...shape, hidden: 128 },
    { ...shape, vocabulary: 1024 },
    { ...shape, ropes: [...shape.ropes].reverse() },
    { ...shape, layers: shape.layers.map((layer) => ({ ...layer, kvHeads: 4 })) },
    { ...shape, layers: shape.layers.map((layer) => ({ ...layer, window: layer.window * 2 })) },
    { ...shape, layers: shape.layers.filter((_, i) => i % 2 === last % 2) },
  ];
  for (const other of others) expect(assistantFor({ shape: other }, assistant)).toBeUndefined();
  expect(assistantFor(model, assistant)).toBeDefined();
});

test('a model takes its own assistant, and one that no model takes is logged', async () => {
  const messages: string[] = [];
  const log = { error: (_: object, message: string) => void messages.push(message) };
  const drafters = await openDraftModels(
    fixturesWithAssistants.map((name) => join(FOLDER, '../..', name, 'assistant')),
    log,
  );
  const other = await openModel(TINY_MODEL_FOLDER);
  const { model } = await openFixture('gemma4-assisted-groups');
  const taken = withDrafter({ ...other, ...model }, drafters);
  const [, own] = drafters;
  expect(
    own?.kind === 'assistant' && taken.assistant?.weights === own.assistant.model.weights,
  ).toBe(true);
  expect(withDrafter(other, drafters)).toBe(other);
  logUnused(drafters, [other, taken], log);
  expect(messages).toEqual([
    'an assistant is not used: no model of this machine has the size of the one that it assists',
  ]);
});
