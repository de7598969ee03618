import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { FIXTURES } from '../../engine/encoders/encoders-under-test.ts';
import { ModelError } from '../model-error.ts';
import { withValueAt } from '../model-folder-under-test.ts';
import { openEncoder } from './encoder-model.ts';

/** The test runs for a few seconds by default, and longer under `npm run fuzz`. */
const FUZZ_MS = 1_000 * (setting('DINF_FUZZ_SECONDS') ?? 6);

const TEXTS = ['hello <|endoftext|><|im_end|>', '', '\ud800\u0000 é 水', 'a'.repeat(3_000)];

const values = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string({ maxLength: 20 }),
  fc.constantFrom<unknown>(null, true, [], {}, -1, 0, 2 ** 31, 2 ** 53, [[]], '../..', '9_Dense'),
);
const jsonChange = fc.record({
  path: fc.array(fc.nat(10_000), { minLength: 1, maxLength: 6 }),
  value: values,
});
const byteChanges = fc.array(fc.tuple(fc.nat(500_000), fc.nat(255)), {
  minLength: 1,
  maxLength: 8,
});

describe.each(['qwen3-embedding', 'embeddinggemma', 'qwen3-reranker'])('%s', (fixture) => {
  let folder: string;
  let originals: Map<string, Buffer>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dinf-reading-'));
    await cp(join(FIXTURES, fixture), folder, { recursive: true });
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    originals = new Map();
    for (const entry of entries.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name);
      originals.set(path, await readFile(path));
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Opens the folder, and reads texts if that works. All errors must be reasons for people. */
  async function outcome(): Promise<string> {
    try {
      const { tokenizer, contextTokens: most, task, ...model } = await openEncoder(folder);
      const { vocabulary } = model.kind === 'decoder' ? model.decoder.shape : model.shape;
      for (const text of TEXTS) {
        const reading = { most, truncate: true };
        const input =
          task === 'rerank'
            ? tokenizer.pairsOf(text)(text, reading)
            : tokenizer.single(text, reading);
        if (input === 'too_long') continue;
        if (input.tokens.length > most) throw new Error('the input is longer than asked for');
        if (!input.tokens.every((token) => token >= 0 && token < vocabulary))
          throw new Error('a token is outside of the vocabulary');
      }
      return 'opened';
    } catch (error) {
      if (error instanceof ModelError) return error.code;
      throw error;
    }
  }

  test(
    'opens with any change to its files, or is refused with a reason, and tokens stay in the vocabulary',
    async () => {
      expect(await outcome()).toBe('opened');
      const outcomes = new Set<string>();
      let last: Promise<void> = Promise.resolve();
      const change = fc.tuple(fc.nat(10_000), jsonChange, byteChanges, fc.boolean());
      await fc.assert(
        fc.asyncProperty(change, ([n, { path, value }, bytes, isJson]) => {
          const paths = [...originals.keys()];
          const file = paths[n % paths.length] as string;
          const original = originals.get(file) as Buffer;
          const changed =
            isJson && file.endsWith('.json')
              ? JSON.stringify(withValueAt(JSON.parse(original.toString('utf8')), path, value))
              : withBytes(original, bytes);
          last = (async () => {
            await writeFile(file, changed);
            try {
              outcomes.add(await outcome());
            } finally {
              await writeFile(file, original);
            }
          })();
          return last;
        }),
        {
          numRuns: 10_000_000,
          interruptAfterTimeLimit: FUZZ_MS / 3,
          markInterruptAsFailure: false,
        },
      );
      // An interrupted run still uses the folder, which is removed after the test.
      await last;
      // A busy machine opens few folders in this time.
      expect(outcomes.size).toBeGreaterThan(0);
    },
    FUZZ_MS + 60_000,
  );
});

function withBytes(original: Buffer, changes: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.from(original);
  for (const [place, byte] of changes) bytes[place % bytes.length] = byte;
  return bytes;
}
