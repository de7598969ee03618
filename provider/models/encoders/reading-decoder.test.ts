import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { FIXTURES } from '../../engine/encoders/encoders-under-test.ts';
import { openModel } from '../model.ts';
import { ModelFolder } from '../model-folder.ts';
import { isNamedReranker, openServedModel } from '../open-served-model.ts';
import { type EncoderModel, openEncoder } from './encoder-model.ts';
import { holdsEncoder } from './holds-encoder.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-reading-'));
});
afterEach(() => rm(folder, { recursive: true }));

type Change = object | ((before: Record<string, unknown>) => unknown);

async function copyOf(from: string, name?: string, change: Change = {}): Promise<string> {
  await cp(join(FIXTURES, from), folder, { recursive: true });
  if (name === undefined) return folder;
  const path = join(folder, name);
  const before = JSON.parse(await readFile(path, 'utf8'));
  const after = typeof change === 'function' ? change(before) : { ...before, ...change };
  await writeFile(path, JSON.stringify(after));
  return folder;
}

const holds = async (path: string) => holdsEncoder(await ModelFolder.open(path));

describe('a folder holds a model for embeddings or reranking', () => {
  test.each([
    'embedder',
    'reranker',
    'qwen3-embedding',
    'qwen3-embedding-4bit',
    'embeddinggemma',
    'embeddinggemma-mlx',
    'qwen3-reranker',
  ])('if it is %s', async (name) => {
    expect(await holds(join(FIXTURES, name))).toBe(true);
  });

  test('unless its model writes answers, also one of the same family', async () => {
    expect(await holds(TINY_MODEL_FOLDER)).toBe(false);
    expect(await holds(join(FIXTURES, '../../fixtures/qwen3'))).toBe(false);
    const path = await copyOf('qwen3-embedding-4bit', 'tokenizer.json', { post_processor: null });
    expect(await holds(path)).toBe(false);
  });

  test('if its tokens attend to later ones, whatever other files it has', async () => {
    const path = await copyOf('embeddinggemma');
    await rm(join(path, 'modules.json'));
    expect(await holds(path)).toBe(true);
    expect((await openEncoder(path)).pooling).toMatchObject({ from: 'mean', projections: [] });
  });
});

test('a model whose tokens attend to later ones writes no answers', async () => {
  const path = await copyOf('embeddinggemma');
  await expect(openModel(path)).rejects.toMatchObject({
    code: 'unsupported_architecture',
    message: expect.stringContaining('an answer is computed token by token'),
  });
});

describe('a reranker without modules.json', () => {
  /** What a conversion by mlx-lm makes of the folder. */
  async function converted(chatTemplate?: string): Promise<string> {
    const path = await copyOf(
      'qwen3-reranker',
      'tokenizer_config.json',
      chatTemplate === undefined ? {} : { chat_template: chatTemplate },
    );
    await rm(join(path, 'modules.json'));
    await rm(join(path, '1_LogitScore'), { recursive: true });
    return path;
  }
  const chatTemplate =
    '{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>{% endfor %}';

  test('is known by the prompt in its chat template, and compares the same tokens', async () => {
    const path = await converted();
    expect(await holds(path)).toBe(true);
    const before = await openEncoder(join(FIXTURES, 'qwen3-reranker'));
    const after = await openEncoder(path);
    expect(after).toMatchObject({ task: 'rerank', kind: 'decoder', pooling: undefined });
    const rowsOf = (model: EncoderModel) => model.kind === 'decoder' && model.scoreRows;
    expect(JSON.stringify(rowsOf(after)).replaceAll(path, '')).toBe(
      JSON.stringify(rowsOf(before)).replaceAll(join(FIXTURES, 'qwen3-reranker'), ''),
    );
  });

  test('with the template of a chat model is one if its owner says so, by folder or name', async () => {
    const path = await converted(chatTemplate);
    expect(await holds(path)).toBe(false);
    const chat = await openServedModel(path, ['another']);
    expect(chat.kind).toBe('writer');
    for (const named of [path, basename(path)])
      expect(await openServedModel(path, [named])).toMatchObject({
        kind: 'encoder',
        model: { task: 'rerank', build: basename(path) },
      });
  });

  test('writes answers otherwise, and only its name shows what it may be', async () => {
    const path = await converted(chatTemplate);
    const renamed = join(path, 'Qwen3-Reranker-0.6B-4bit');
    const names = await readdir(path);
    await mkdir(renamed);
    for (const name of names) await cp(join(path, name), join(renamed, name));
    expect(isNamedReranker(await openServedModel(renamed, []))).toBe(true);
    expect(isNamedReranker(await openServedModel(path, []))).toBe(false);
    expect(isNamedReranker(await openServedModel(renamed, [renamed]))).toBe(false);
  });

  test('is refused if it has not the tokens yes and no, or is of another family', async () => {
    const path = await converted(chatTemplate);
    const { model, ...rest } = JSON.parse(await readFile(join(path, 'tokenizer.json'), 'utf8'));
    const { yes, ...vocab } = model.vocab;
    expect(yes).toBe(263);
    await writeFile(
      join(path, 'tokenizer.json'),
      JSON.stringify({ ...rest, model: { ...model, vocab } }),
    );
    await expect(openServedModel(path, [path])).rejects.toMatchObject({
      code: 'malformed_config',
      message: expect.stringContaining('yes'),
    });
    await expect(openServedModel(TINY_MODEL_FOLDER, [TINY_MODEL_FOLDER])).rejects.toMatchObject({
      code: 'unsupported_architecture',
    });
  });
});

test('a tokenizer is read once, although it shows what the folder holds', async () => {
  const path = await copyOf('qwen3-embedding-4bit');
  const opened = await ModelFolder.open(path);
  expect(await holdsEncoder(opened)).toBe(true);
  const read = await opened.json('tokenizer.json');
  await writeFile(join(path, 'tokenizer.json'), 'read a second time');
  expect(await opened.json('tokenizer.json')).toBe(read);
  await expect(openEncoder(opened)).resolves.toMatchObject({ task: 'embeddings' });
});

describe('a folder of an embedding decoder', () => {
  test.each<[string, string, Change, string, RegExp]>([
    [
      'embeddinggemma',
      '1_Pooling/config.json',
      { pooling_mode_mean_tokens: false, pooling_mode_lasttoken: true },
      'unsupported_architecture',
      /pools by lasttoken; supported for this model are mean/,
    ],
    [
      'qwen3-embedding',
      '1_Pooling/config.json',
      { pooling_mode: 'max' },
      'unsupported_architecture',
      /pools by max; supported for this model are mean and lasttoken/,
    ],
    [
      'qwen3-embedding',
      'config_sentence_transformers.json',
      { default_prompt_name: 'query' },
      'unsupported_architecture',
      /puts the prompt "query" before each text/,
    ],
    [
      'qwen3-embedding',
      'config.json',
      { use_bidirectional_attention: true },
      'unsupported_architecture',
      /attention in both directions is not supported/,
    ],
    [
      'embeddinggemma',
      'config.json',
      { use_bidirectional_attention: false },
      'unsupported_architecture',
      /attention in one direction is not supported/,
    ],
    [
      'qwen3-embedding',
      'config.json',
      { model_type: 'llama' },
      'unsupported_architecture',
      /model_type "llama" is not supported; supported are bert, qwen3, gemma3_text/,
    ],
    [
      'embeddinggemma',
      '2_Dense/config.json',
      { activation_function: 'torch.nn.modules.activation.ReLU' },
      'malformed_config',
      /2_Dense\/config\.json\.activation_function must be one of/,
    ],
    ['embeddinggemma', '3_Dense/config.json', { in_features: 48 }, 'malformed_config', /from 96/],
    ['embeddinggemma', '2_Dense/config.json', { bias: true }, 'missing_weight', /linear\.bias/],
    [
      'embeddinggemma',
      '2_Dense/config.json',
      { use_residual: true },
      'unsupported_architecture',
      /use_residual/,
    ],
    [
      'embeddinggemma',
      'modules.json',
      () => [{ type: 'sentence_transformers.models.Dense', path: '../secret' }],
      'malformed_config',
      /the folder "\.\.\/secret"/,
    ],
    [
      'embeddinggemma',
      'modules.json',
      (before) => (before as unknown as object[]).toReversed(),
      'unsupported_architecture',
      /has the steps normalise dense dense pooling transformer/,
    ],
    [
      'qwen3-embedding',
      'tokenizer.json',
      { post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: 'x' } }] } },
      'malformed_tokenizer',
      /has no text/,
    ],
    [
      'qwen3-reranker',
      '1_LogitScore/config.json',
      { false_token_id: null },
      'malformed_config',
      /false_token_id/,
    ],
    [
      'qwen3-reranker',
      '1_LogitScore/config.json',
      { true_token_id: 1e6 },
      'malformed_config',
      /true_token_id/,
    ],
    [
      'qwen3-reranker',
      'tokenizer_config.json',
      { chat_template: '{{ messages }}' },
      'unsupported_architecture',
      /not that of Qwen3-Reranker/,
    ],
  ])('%s whose %s has %j is refused with %s', async (name, file, change, code, message) => {
    const path = await copyOf(name, file, change);
    await expect(openEncoder(path)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

test('the names of steps since version 5.4 of sentence-transformers are known too', async () => {
  const newer = 'sentence_transformers.';
  const path = await copyOf('embeddinggemma', 'modules.json', () => [
    { path: '', type: `${newer}base.modules.transformer.Transformer` },
    { path: '1_Pooling', type: `${newer}sentence_transformer.modules.pooling.Pooling` },
    { path: '2_Dense', type: `${newer}base.modules.dense.Dense` },
    { path: '3_Dense', type: `${newer}base.modules.dense.Dense` },
    { path: '4_Normalize', type: `${newer}base.modules.normalize.Normalize` },
  ]);
  await writeFile(join(path, '1_Pooling/config.json'), JSON.stringify({ pooling_mode: 'mean' }));
  const { pooling, dimensions } = await openEncoder(path);
  expect(pooling).toMatchObject({ from: 'mean', isNormalised: true });
  expect(dimensions).toBe(48);
});

test('another dense layer is another build', async () => {
  const before = await openEncoder(join(FIXTURES, 'embeddinggemma'));
  const path = await copyOf('embeddinggemma');
  const file = join(path, '3_Dense/model.safetensors');
  const bytes = await readFile(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(file, bytes);
  expect(Buffer.from((await openEncoder(path)).digest)).not.toEqual(Buffer.from(before.digest));
});

test('the context is the least of what was trained, the positions and the limit of this program', async () => {
  const path = await copyOf('qwen3-embedding', 'config.json', { max_position_embeddings: 32_768 });
  expect((await openEncoder(path)).contextTokens).toBe(8_192);
});
