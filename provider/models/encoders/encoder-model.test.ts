import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FIXTURES } from '../../engine/encoders/encoders-under-test.ts';
import { openEncoder } from './encoder-model.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-encoder-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function withFile(from: string, name: string, fields: object): Promise<string> {
  await cp(join(FIXTURES, from), folder, { recursive: true });
  const path = join(folder, name);
  const before = JSON.parse(await readFile(path, 'utf8'));
  const after = Array.isArray(fields) ? fields : { ...before, ...fields };
  await writeFile(path, JSON.stringify(after));
  return folder;
}

describe('a folder', () => {
  test.each([
    ['config.json', { architectures: ['BertForMaskedLM'] }, 'unsupported_architecture'],
    ['config.json', { hidden_act: 'relu' }, 'malformed_config'],
    ['config.json', { position_embedding_type: 'relative_key' }, 'malformed_config'],
    ['config.json', { num_attention_heads: 5 }, 'malformed_config'],
    ['config.json', { hidden_size: 1e9 }, 'malformed_config'],
    ['config.json', { num_hidden_layers: 3 }, 'missing_weight'],
    ['config.json', { intermediate_size: 41 }, 'wrong_shape'],
    ['modules.json', [{ type: 'sentence_transformers.models.Dense' }], 'unsupported_architecture'],
    ['1_Pooling/config.json', { pooling_mode_max_tokens: true }, 'unsupported_architecture'],
    ['1_Pooling/config.json', { pooling_mode_mean_tokens: false }, 'unsupported_architecture'],
    ['sentence_bert_config.json', { max_seq_length: 1 }, 'malformed_config'],
    ['tokenizer_config.json', { sep_token: '[END]' }, 'malformed_tokenizer'],
    ['tokenizer.json', { model: { type: 'BPE', vocab: {} } }, 'malformed_config'],
  ])('whose %s has %j is refused with %s', async (name, fields, code) => {
    const path = await withFile('embedder', name, fields);
    await expect(openEncoder(path)).rejects.toMatchObject({ code });
  });

  test('with more than one class is no reranker', async () => {
    const path = await withFile('reranker', 'config.json', { architectures: ['BertModel'] });
    // The weights of a reranker alone do not say how vectors are pooled.
    await expect(openEncoder(path)).rejects.toMatchObject({ code: 'missing_file' });
  });
});

test('other pooling is another build', async () => {
  const before = await openEncoder(join(FIXTURES, 'embedder'));
  const path = await withFile('embedder', '1_Pooling/config.json', {
    pooling_mode_mean_tokens: false,
    pooling_mode_cls_token: true,
  });
  const after = await openEncoder(path);
  expect(after.pooling?.from).toBe('first');
  expect(Buffer.from(after.digest)).not.toEqual(Buffer.from(before.digest));
});
