import { afterAll, describe, expect, test, vi } from 'vitest';
import { ResultReader, wantedResults } from '#bus-schemas';
import { setting } from '#bus-schemas/settings/settings.ts';
import type { ReadingDecoder } from '../../models/encoders/reading-decoder.ts';
import type { Backend } from '../decoders/decoder.ts';
import { backendsUnderTest } from '../decoders/decoder-under-test.ts';
import { type Encoder, PASS_TOKENS } from './encoder.ts';
import { cosine } from './encoders-under-test.ts';
import { loadEncoder } from './load-encoder.ts';
import { expectedVectors, inputOf, openReading, readingFixtures } from './reading-under-test.ts';
import { ResultWriter } from './result-writer.ts';

test.each(readingFixtures)('the tokens of texts are those of the tokenizer of %s', async (name) => {
  const model = await openReading(name);
  const expected = expectedVectors(name);
  for (const { text, tokens } of expected) expect([...inputOf(model, text).tokens]).toEqual(tokens);
  const lengths = expected.map(({ tokens }) => tokens.length);
  // One is as long as the model reads, and was shortened; some are longer than windows and steps.
  expect(Math.max(...lengths)).toBe(model.contextTokens);
  const long = model.decoder.shape.attendsBothWays ? 100 : PASS_TOKENS;
  expect(lengths.filter((length) => length > long).length).toBeGreaterThan(1);
});

// A driver that runs on the processor needs a long time to compile kernels for the first time.
vi.setConfig({ testTimeout: 180_000 });

const created = await Promise.all(
  backendsUnderTest.map(async ({ name, create }) => ({ name, found: await create() })),
);
afterAll(async () => {
  for (const { found } of created)
    if ('backend' in found) await found.backend[Symbol.asyncDispose]();
});

/** MLX on Metal computes in the 16 bits of the files, and the expected vectors have 32. */
const leastOf = ({ name, isSoftware }: Backend): number =>
  name === 'mlx' && !isSoftware ? 0.999 : 0.99999;

/** Each new shape of a matrix takes long to compile on WebGPU in software. */
const fixturesOn = (backend: Backend['name']) =>
  backend === 'webgpu' && !setting('DINF_EVERY_FIXTURE')
    ? (['qwen3-embedding', 'embeddinggemma'] as const)
    : readingFixtures;

for (const { name, found } of created) {
  const reason = 'reason' in found ? ` (${found.reason})` : '';
  describe.skipIf(reason !== '')(`embeddings of decoders on ${name}${reason}`, () => {
    test.each(fixturesOn(name))(
      'are those of sentence-transformers for %s, alone and together',
      async (fixture) => {
        if ('reason' in found) throw new Error(found.reason);
        const model = await openReading(fixture);
        await using encoder = await loadEncoder(model, found.backend);
        const expected = expectedVectors(fixture);
        const texts = expected.map(({ text }) => text);
        // More tokens than a step has: a text whose tokens attend to later ones must not be divided.
        const batch = model.decoder.shape.attendsBothWays ? [...texts, ...texts] : texts;
        const together = await vectorsOf({ model, encoder }, batch);
        for (const [index, { text, vector }] of expected.entries()) {
          const [alone] = await vectorsOf({ model, encoder }, [text]);
          for (const at of [index, batch.length - texts.length + index]) {
            expect(cosine(together[at] ?? [], vector), text).toBeGreaterThan(
              leastOf(found.backend),
            );
            expect(cosine(together[at] ?? [], alone ?? []), text).toBeGreaterThan(0.9999999);
          }
        }
      },
    );
  });
}

async function vectorsOf(
  { model, encoder }: { model: ReadingDecoder; encoder: Encoder },
  texts: readonly string[],
): Promise<readonly ArrayLike<number>[]> {
  const inputs = texts.map((text) => inputOf(model, text));
  const writer = await ResultWriter.open(model);
  const task = { k: 'embeddings' as const, inputs: [...texts] };
  const reader = new ResultReader(wantedResults(task));
  const states = await encoder.pass(inputs);
  for (const text of writer.lines(inputs, { states, vectorsPer: encoder.vectorsPer }, task))
    reader.add({ text, tokens: 1 });
  return reader.results.vectors;
}
