import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generateGreedily } from '#provider/engine/decoders/decoder-under-test.ts';
import { createReferenceBackend } from '#provider/engine/decoders/reference-decoder.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { type Model, openModel } from '../model.ts';
import {
  type Facts,
  float,
  ggufBytes,
  int,
  randomTensor,
  type TensorsUnderTest,
} from './gguf-file-under-test.ts';
import { importGguf } from './import-gguf.ts';
import { FORMAT, smallFacts, smallTensors } from './small-gguf-under-test.ts';
import { tinyAsGguf } from './tiny-gguf-under-test.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-gguf-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function imported(bytes: Uint8Array, options: { tokenizerFrom?: string } = {}) {
  const file = join(folder, 'model.gguf');
  await writeFile(file, bytes);
  const made = await importGguf({ file, to: join(folder, 'model'), ...options });
  const model = await openModel(made.folder);
  expect(model.digest).toEqual(made.digest);
  return { ...made, model };
}
const small = (changes: Facts = {}, tensors: TensorsUnderTest = smallTensors) =>
  imported(ggufBytes({ ...smallFacts, ...changes }, tensors));

async function greedy(model: Model, prompt: readonly number[]): Promise<number[]> {
  await using decoder = await createReferenceBackend().load({ model, pages: 8, maxTokens: 64 });
  return generateGreedily(decoder, { prompt, count: 24, pages: [0, 1, 2, 3] });
}

describe('a model that was a GGUF file', () => {
  test('generates the tokens of the same model in the format of MLX', async () => {
    const original = await openModel(TINY_MODEL_FOLDER);
    const { model, rounded } = await imported(await tinyAsGguf(original));
    expect(rounded.size).toBe(0);
    expect([...model.endTokens]).toEqual([...original.endTokens]);
    expect(model.traits).toEqual(original.traits);
    for (const content of ['What is 12 + 30?', 'Spell wonderful backwards.']) {
      const chat = { messages: [{ role: 'user' as const, content }], max_tokens: 1 };
      const prompt = original.tokenizer.encode(original.template.render(chat));
      expect(model.tokenizer.encode(model.template.render(chat))).toEqual(prompt);
      expect(await greedy(model, prompt)).toEqual(await greedy(original, prompt));
    }
  });

  test('may have every supported format, and names those that are rounded', async () => {
    const { model, rounded } = await small();
    expect([...rounded]).toEqual([
      ['Q6_K', 1],
      ['Q4_K', 1],
      ['Q5_K', 1],
    ]);
    expect(model.weights.layers[0]?.q.quantized).toMatchObject({ bits: 4, group: 32 });
    expect(model.weights.layers[0]?.v?.quantized).toBeUndefined();
    expect(await readdir(folder)).toEqual(['model', 'model.gguf']);
    expect(model.tokenizer.encode('hello <|end|>')).toEqual([
      ...['hell', 'o', 'Ġ'].map((token) => model.tokenizer.idOf(token)),
      0,
    ]);
  });

  test('may have the factors of Llama 3 for its rotation', async () => {
    const { model } = await small({}, { ...smallTensors, 'rope_freqs.weight': llama3Factors() });
    expect(model.shape.ropes).toEqual([
      {
        theta: 10_000,
        scaling: { kind: 'llama3', factor: 8, low: 1, high: 4, trained: 8_192 },
      },
    ]);
  });

  test('may take its tokenizer from another folder', async () => {
    const words = { ...smallFacts, 'tokenizer.ggml.model': 'llama' };
    const tensors = { ...smallTensors };
    for (const name of ['token_embd.weight', 'output.weight'])
      tensors[name] = randomTensor(FORMAT.Q8_0, [512, 256], 7);
    const { model } = await imported(ggufBytes(words, tensors), {
      tokenizerFrom: TINY_MODEL_FOLDER,
    });
    const { tokenizer } = await openModel(TINY_MODEL_FOLDER);
    expect(model.tokenizer.encode('What is 12?')).toEqual(tokenizer.encode('What is 12?'));
  });
});

/** The factors that llama.cpp's converter writes for a Llama 3.1 with this size of a head. */
function llama3Factors(): TensorsUnderTest[string] {
  const factors = Array.from({ length: 32 }, (_, i) => {
    const length = 2 * Math.PI * 10_000 ** (i / 32);
    if (length < 8_192 / 4) return 1;
    if (length > 8_192) return 8;
    const smooth = (8_192 / length - 1) / 3;
    return 1 / ((1 - smooth) / 8 + smooth);
  });
  return {
    type: FORMAT.F32,
    shape: [32],
    bytes: new Uint8Array(Float32Array.from(factors).buffer),
  };
}

describe('a GGUF file is refused with the reason:', () => {
  const without = (name: string) =>
    Object.fromEntries(Object.entries(smallTensors).filter(([each]) => each !== name));
  const withTensor = (name: string, tensor: TensorsUnderTest[string]) => ({
    ...smallTensors,
    [name]: tensor,
  });
  const { 'tokenizer.chat_template': _template, ...withoutTemplate } = smallFacts;
  const cases: Record<string, [() => Promise<unknown>, string, RegExp]> = {
    'another architecture': [
      () => small({ 'general.architecture': 'mamba' }),
      'unsupported_architecture',
      /"mamba".*llama, qwen2/,
    ],
    'metadata that change the computation': [
      () => small({ 'llama.attention.scale': float(2) }),
      'unsupported_architecture',
      /llama\.attention\.scale/,
    ],
    experts: [() => small({ 'llama.expert_count': int(8) }), 'unsupported_architecture', /experts/],
    'a rotation of a part of each head': [
      () => small({ 'llama.rope.dimension_count': int(32) }),
      'unsupported_architecture',
      /rope\.dimension_count/,
    ],
    'a rotation that no numbers of Llama 3 give': [
      () => small({}, withTensor('rope_freqs.weight', randomTensor(FORMAT.F32, [32], 3))),
      'unsupported_architecture',
      /rope_freqs/,
    ],
    'an unknown tensor': [
      () => small({}, withTensor('blk.0.attn_sinks.weight', randomTensor(FORMAT.F32, [4], 3))),
      'unsupported_architecture',
      /attn_sinks/,
    ],
    'a missing tensor': [
      () => small({}, without('blk.0.attn_q.weight')),
      'missing_weight',
      /q_proj/,
    ],
    'a SentencePiece tokenizer': [
      () => small({ 'tokenizer.ggml.model': 'llama' }),
      'unsupported_tokenizer',
      /"llama".*A folder with the tokenizer\.json/,
    ],
    'unknown rules for splitting': [
      () => small({ 'tokenizer.ggml.pre': 'tekken' }),
      'unsupported_tokenizer',
      /"tekken".*smollm/,
    ],
    'the name of an inherited property as rules': [
      () => small({ 'tokenizer.ggml.pre': '__proto__' }),
      'unsupported_tokenizer',
      /__proto__/,
    ],
    'a merge of unknown tokens': [
      () => small({ 'tokenizer.ggml.merges': ['h x y'] }),
      'malformed_tokenizer',
      /"h x y"/,
    ],
    'no chat template': [
      () => imported(ggufBytes(withoutTemplate, smallTensors)),
      'missing_file',
      /chat template/,
    ],
  };
  test.each(Object.entries(cases))('%s', async (_, [attempt, code, message]) => {
    await expect(attempt()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    // Neither a folder nor a part of it is left.
    expect(await readdir(folder)).toEqual(['model.gguf']);
  });

  test('a folder of the name that is there already', async () => {
    await mkdir(join(folder, 'model'));
    await expect(small()).rejects.toMatchObject({ code: 'folder_exists' });
  });
});
