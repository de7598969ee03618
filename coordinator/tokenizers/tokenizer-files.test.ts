import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { TokenCounter } from './token-counter.ts';
import { keepTokenizer, tokenizerPath } from './tokenizer-files.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-tokenizers-'));
});
afterEach(() => rm(home, { recursive: true }));

const tiny = async () =>
  JSON.parse(await readFile(join(TINY_MODEL_FOLDER, 'tokenizer.json'), 'utf8'));
const written = async (content: string): Promise<string> => {
  const path = join(home, 'given.json');
  await writeFile(path, content);
  return path;
};
const nested = (depth: number): string =>
  `${'{"type":"Sequence","pretokenizers":['.repeat(depth)}${']}'.repeat(depth)}`;

describe('a tokenizer', () => {
  test('of a model folder is kept by its digest and counts there', async () => {
    const digest = await keepTokenizer(home, TINY_MODEL_FOLDER);
    await using counter = new TokenCounter();
    const count = (text: string) =>
      counter.count({ path: tokenizerPath(home, digest), digest, text });
    expect(await count('1, 2, 3, 4, 5')).toMatchObject({ ok: true, tokens: 13 });
    // The model writes special tokens as text, so each of them counts as several tokens.
    expect(await count('<|im_end|><|im_end|>')).toMatchObject({ ok: true, tokens: 16 });
  });

  test('reads the text of token ids, and none if the ids are not exactly its tokens', async () => {
    const digest = await keepTokenizer(home, TINY_MODEL_FOLDER);
    const path = tokenizerPath(home, digest);
    const { Tokenizer } = await import('@huggingface/tokenizers');
    const tokenizer = new Tokenizer(await tiny(), {});
    const text = 'Überall 1, 2, 3: äöü 🦙\n';
    const ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
    await using counter = new TokenCounter();
    const read = (asked: readonly number[]) => counter.count({ path, digest, ids: asked });
    expect(await read(ids)).toMatchObject({ ok: true, tokens: ids.length, text });
    const special = tokenizer.encode('<|im_end|>', { add_special_tokens: false }).ids;
    for (const wrong of [special, [...special, ...ids], [...ids, 4_000_000]]) {
      const told = await read(wrong);
      expect([told.ok, 'text' in told && told.text]).toEqual([true, undefined]);
    }
  });

  test('that is kept already is left as it is, unless it was damaged', async () => {
    const path = tokenizerPath(home, await keepTokenizer(home, TINY_MODEL_FOLDER));
    const { ino, size } = await stat(path);
    await keepTokenizer(home, TINY_MODEL_FOLDER);
    expect((await stat(path)).ino).toBe(ino);
    await writeFile(path, Buffer.alloc(size, ' '));
    await keepTokenizer(home, TINY_MODEL_FOLDER);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(await tiny());
  });

  test('with another digest than the catalog names is not used', async () => {
    const path = tokenizerPath(home, await keepTokenizer(home, TINY_MODEL_FOLDER));
    await using counter = new TokenCounter();
    expect(await counter.count({ path, digest: '0'.repeat(64), text: 'x' })).toMatchObject({
      ok: false,
      code: 'other_file',
    });
  });
});

describe('is refused and not kept', () => {
  test.each([
    ['no JSON', async () => '{', 'not JSON'],
    ['no vocabulary', async () => '{"model":{"type":"BPE"}}', 'no BPE vocabulary'],
    [
      'ids that are no numbers',
      async () =>
        JSON.stringify({
          ...(await tiny()),
          model: { type: 'BPE', vocab: { a: 'x' }, merges: [] },
        }),
      'id is not',
    ],
    [
      'ids below zero',
      async () =>
        JSON.stringify({ ...(await tiny()), model: { type: 'BPE', vocab: { a: -1 }, merges: [] } }),
      'id is not',
    ],
    [
      'ids that fill the memory',
      async () =>
        JSON.stringify({
          ...(await tiny()),
          model: { type: 'BPE', vocab: { a: 2 ** 31 }, merges: [] },
        }),
      'id is not',
    ],
    [
      'parts within parts',
      async () =>
        JSON.stringify({ ...(await tiny()), pre_tokenizer: 0 }).replace(
          '"pre_tokenizer":0',
          `"pre_tokenizer":${nested(100_000)}`,
        ),
      '',
    ],
  ])('a tokenizer with %s', async (_, content, why) => {
    await expect(keepTokenizer(home, await written(await content()))).rejects.toMatchObject({
      code: 'refused_tokenizer',
      message: expect.stringContaining(why),
    });
    expect(await readdir(home)).toEqual(['given.json']);
  });

  test('a tokenizer of a gigabyte', async () => {
    const path = await written('{}');
    await truncate(path, 2 ** 30);
    await expect(keepTokenizer(home, path)).rejects.toMatchObject({
      message: expect.stringContaining('The most is'),
    });
  });

  test('a folder without a tokenizer', async () => {
    await expect(keepTokenizer(home, home)).rejects.toMatchObject({
      message: expect.stringContaining('cannot be read'),
    });
  });
});

test('a pattern that runs for minutes costs its thread, and the next text is counted', {
  timeout: 60_000,
}, async () => {
  const json = await tiny();
  const slow = {
    type: 'Split',
    pattern: { Regex: '(a|aa)+$' },
    behavior: 'Isolated',
    invert: false,
  };
  const path = await written(
    JSON.stringify({
      ...json,
      pre_tokenizer: { type: 'Sequence', pretokenizers: [slow, json.pre_tokenizer] },
    }),
  );
  const digest = await keepTokenizer(home, TINY_MODEL_FOLDER);
  await using counter = new TokenCounter();
  const stuck = counter.count({ path, digest: undefined, text: `${'a'.repeat(200)}!` }, 60_000);
  const next = counter.count({ path: tokenizerPath(home, digest), digest, text: '1, 2' }, 60_000);
  expect(await stuck).toMatchObject({ ok: false, code: 'lost' });
  expect(await next).toMatchObject({ ok: true, tokens: 4 });
});

test('texts beyond those that may wait are not counted', async () => {
  await using counter = new TokenCounter();
  const answers = await Promise.all(
    Array.from({ length: 80 }, () =>
      counter.count({ path: '/nowhere', digest: undefined, text: 'x' }),
    ),
  );
  expect(answers.filter((answer) => !answer.ok && answer.code === 'busy')).toHaveLength(15);
});
