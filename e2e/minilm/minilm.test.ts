import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareRealModels } from '#cli/up/real-models.ts';
import { DownloadError } from '#provider/downloads/download-error.ts';
import { startUpProcess, type UpProcess } from '../up-process.ts';

/** Vectors that transformers computed in 32 bits (make_golden.py). */
const golden: readonly { text: string; tokens: number; vector: number[] }[] = JSON.parse(
  readFileSync(new URL('./golden.json', import.meta.url), 'utf8'),
);

/** Fetches the model into the cache, unless it is there. */
async function whyNot(): Promise<string | undefined> {
  try {
    const signal = new AbortController().signal;
    await prepareRealModels('minilm', { signal, say: () => undefined });
    return undefined;
  } catch (error) {
    if (error instanceof DownloadError && error.code === 'unreachable') return error.message;
    throw error;
  }
}

const cosine = (one: readonly number[], other: readonly number[]) =>
  one.reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0) / Math.hypot(...other);

const reason = await whyNot();
describe.skipIf(reason !== undefined)(
  `dinf up --model minilm${reason === undefined ? '' : ` (${reason})`}`,
  { timeout: 300_000 },
  () => {
    let up: UpProcess;
    beforeAll(async () => {
      up = await startUpProcess({ args: ['--model', 'minilm', '--providers', '0'] });
    }, 300_000);
    afterAll(() => up[Symbol.asyncDispose]());

    test('computes the vectors of an independent computation in 32 bits', async () => {
      const openai = new OpenAI({ baseURL: `${up.url}/v1`, apiKey: up.apiKey });
      const texts = golden.filter(({ tokens }) => tokens < 256);
      const { data, usage } = await openai.embeddings.create({
        model: 'minilm',
        input: texts.map(({ text }) => text),
      });
      for (const { embedding, index } of data)
        expect(cosine(embedding, texts[index]?.vector ?? [])).toBeGreaterThan(0.9999);
      expect(data).toHaveLength(texts.length);
      expect(usage.prompt_tokens).toBe(texts.reduce((sum, { tokens }) => sum + tokens, 0));
    });

    test('shortens a long text as sentence-transformers does', async () => {
      const long = golden.filter(({ tokens }) => tokens === 256);
      const response = await fetch(`${up.url}/api/embed`, {
        method: 'POST',
        headers: { authorization: `Bearer ${up.apiKey}` },
        body: JSON.stringify({ model: 'minilm', input: long.map(({ text }) => text) }),
      });
      const { embeddings } = (await response.json()) as { embeddings: number[][] };
      expect(embeddings).toHaveLength(long.length);
      expect(long.length).toBeGreaterThan(0);
      for (const [index, vector] of embeddings.entries())
        expect(cosine(vector, long[index]?.vector ?? [])).toBeGreaterThan(0.9999);
    });
  },
);
