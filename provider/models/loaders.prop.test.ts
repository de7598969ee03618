import { execFileSync } from 'node:child_process';
import { rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { openModel } from './model.ts';
import { ModelFolderUnderTest, mutationsOf, promptsOf } from './model-folder-under-test.ts';

let folder: ModelFolderUnderTest;
const at = (name: string) => folder.at(name);
const opened = () => folder.opened();
const withFile = (
  name: Parameters<ModelFolderUnderTest['original']>[0],
  bytes: Uint8Array | string,
  use: () => Promise<void>,
) => folder.withFile({ name, bytes }, use);
const json = (name: Parameters<ModelFolderUnderTest['original']>[0]) => folder.json(name);

beforeAll(async () => {
  folder = await ModelFolderUnderTest.create();
});
afterAll(() => folder[Symbol.asyncDispose]());

const NORM = 'model.norm.weight';
const WEIGHT = 'model.layers.0.mlp.up_proj.weight';
const SCALES = 'model.layers.0.mlp.up_proj.scales';

test('the unchanged model opens', async () => {
  expect(await opened()).toBe('opened');
});

describe('a hostile folder is rejected with the reason:', () => {
  const other = (name: string, fields: object) => (header: object) =>
    void Object.assign(header[name as keyof typeof header] as object, fields);
  const headers: Record<string, [string, Parameters<ModelFolderUnderTest['withHeader']>[0]]> = {
    'overlapping tensors': ['malformed_weights', other(NORM, { data_offsets: [0, 384] })],
    'a tensor past the end': [
      'malformed_weights',
      other(NORM, { data_offsets: [2 ** 40, 2 ** 40 + 384] }),
    ],
    'a shape of astronomic size': [
      'malformed_weights',
      other(NORM, { shape: [2 ** 50, 2 ** 50, 2 ** 50] }),
    ],
    'a negative size': ['malformed_weights', other(NORM, { shape: [-192] })],
    'an unknown type': ['malformed_weights', other(NORM, { dtype: 'Q9' })],
    'a missing weight': ['missing_weight', (header) => void delete header[WEIGHT]],
    'a weight of another shape': ['wrong_shape', other(WEIGHT, { shape: [288, 48] })],
  };
  for (const [what, [code, change]] of Object.entries(headers)) {
    test(what, () =>
      withFile('model.safetensors', folder.withHeader(change), async () =>
        expect(await opened()).toBe(code),
      ),
    );
  }

  test('a scale that is NaN', async () => {
    const file = Buffer.from(folder.original('model.safetensors'));
    const length = Number(file.readBigUInt64LE(0));
    const [begin] = JSON.parse(file.subarray(8, 8 + length).toString('utf8'))[SCALES].data_offsets;
    file.writeUInt16LE(0x7e00, 8 + length + begin + 10);
    await withFile('model.safetensors', file, async () =>
      expect(await opened()).toBe('not_finite'),
    );
  });

  test('a weights file that is cut', async () => {
    await truncate(at('model.safetensors'), 1_000_000);
    expect(await opened()).toBe('malformed_weights');
    await writeFile(at('model.safetensors'), folder.original('model.safetensors'));
  });

  test('a link to a place outside of the folder', async () => {
    await rm(at('model.safetensors'));
    await symlink(join(TINY_MODEL_FOLDER, 'model.safetensors'), at('model.safetensors'));
    expect(await opened()).toBe('outside_folder');
    await rm(at('model.safetensors'));
    await writeFile(at('model.safetensors'), folder.original('model.safetensors'));
  });

  test('a named pipe in place of a file, which would block its reader', async () => {
    await rm(at('config.json'));
    execFileSync('mkfifo', [at('config.json')]);
    expect(await opened()).toBe('missing_file');
    await rm(at('config.json'));
    await writeFile(at('config.json'), folder.original('config.json'));
  });

  test('an index that names a file outside of the folder', async () => {
    await writeFile(
      at('model.safetensors.index.json'),
      JSON.stringify({ weight_map: { a: '../../etc/passwd' } }),
    );
    expect(await opened()).toBe('outside_folder');
    await rm(at('model.safetensors.index.json'));
  });

  test('an architecture that is not supported', () =>
    withFile(
      'config.json',
      JSON.stringify({ ...json('config.json'), model_type: 'mamba' }),
      async () => expect(await opened()).toBe('unsupported_architecture'),
    ));

  test('a quantization that is not supported', () =>
    withFile(
      'config.json',
      JSON.stringify({
        ...json('config.json'),
        quantization: { group_size: 64, bits: 4, mode: 'mxfp4' },
      }),
      async () => expect(await opened()).toBe('malformed_config'),
    ));
});

describe('a token without a row in the weights', () => {
  const withToken = (id: number, use: () => Promise<void>) => {
    const whole = json('tokenizer.json');
    whole.added_tokens.push({ content: '<|evil|>', id, special: true });
    return withFile('tokenizer.json', JSON.stringify(whole), use);
  };

  test.each([512, 513, 400_000_000])(
    'does not prevent a model from opening, but a prompt with it is rejected: id %i',
    (id) =>
      withToken(id, async () => {
        const { tokenizer } = await openModel(folder.path);
        expect(tokenizer.encode('hello').length).toBeGreaterThan(0);
        expect(() => tokenizer.encode('hello <|evil|> x')).toThrow(
          expect.objectContaining({ code: 'token_outside_vocabulary' }),
        );
      }),
  );

  test('does not end an answer, because grammars count end tokens in the vocabulary', () =>
    withFile(
      'generation_config.json',
      JSON.stringify({ eos_token_id: [2, 512, 400_000_000] }),
      async () => expect([...(await openModel(folder.path)).endTokens]).toEqual([2]),
    ));

  test('that the template itself writes makes the folder invalid, because every request would fail', () =>
    withToken(700, () =>
      withFile('chat_template.jinja', '<|evil|>{{ messages[0].content }}', async () =>
        expect(await opened()).toBe('token_outside_vocabulary'),
      ),
    ));
});

/** The test runs for a few seconds by default, and longer under `npm run fuzz`. */
const FUZZ_MS = 1_000 * (setting('DINF_FUZZ_SECONDS') ?? 6);

test(
  'with any change to its files, a model opens or is rejected with a reason, and its prompts stay within the vocabulary',
  async () => {
    let tried = 0;
    let last: Promise<void> = Promise.resolve();
    const outcomes = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(mutationsOf(folder), (mutation) => {
        last = folder.withFile(mutation, async () => {
          const outcome = await opened();
          if (outcome === 'opened') await promptsOf(folder.path);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          tried += 1;
        });
        return last;
      }),
      { numRuns: 10_000_000, interruptAfterTimeLimit: FUZZ_MS, markInterruptAsFailure: false },
    );
    // An interrupted run still uses the folder, which is removed after the test.
    await last;
    if (FUZZ_MS > 60_000) console.log(`${tried} folders:`, Object.fromEntries(outcomes));
    // A busy machine opens few folders in this time.
    expect(tried).toBeGreaterThan(0);
  },
  FUZZ_MS + 60_000,
);
