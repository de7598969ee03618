import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareRealModels } from '#cli/up/real-models.ts';
import { DownloadError } from '#provider/downloads/download-error.ts';
import { startUpProcess, type UpProcess } from '../up-process.ts';

/** Greedy answers that transformers computed in 32 bits (make_golden.py). */
const golden: readonly { prompt: string; promptTokens: number; tokens: number; text: string }[] =
  JSON.parse(readFileSync(new URL('./golden.json', import.meta.url), 'utf8'));
const MOST_TOKENS = 64;

/** Fetches the model into the cache, unless it is there. */
async function whyNot(): Promise<string | undefined> {
  try {
    const signal = new AbortController().signal;
    await prepareRealModels('smollm2', { signal, say: () => undefined });
    return undefined;
  } catch (error) {
    if (error instanceof DownloadError && error.code === 'unreachable') return error.message;
    throw error;
  }
}

const reason = await whyNot();
describe.skipIf(reason !== undefined)(
  `dinf up --model smollm2${reason === undefined ? '' : ` (${reason})`}`,
  { timeout: 300_000 },
  () => {
    let up: UpProcess;
    beforeAll(async () => {
      up = await startUpProcess({ args: ['--model', 'smollm2', '--providers', '0'] });
    }, 300_000);
    afterAll(() => up[Symbol.asyncDispose]());

    interface Completion {
      readonly choices: readonly [
        { readonly message: { readonly content: string }; readonly finish_reason: string },
      ];
      readonly usage: object;
    }
    const ask = async (model: string, content: string): Promise<Completion> => {
      const response = await fetch(`${up.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${up.apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model,
          temperature: 0,
          max_tokens: MOST_TOKENS,
          messages: [{ role: 'user', content }],
        }),
      });
      return (await response.json()) as Completion;
    };

    test.each(golden)(
      'answers as an independent computation in 32 bits: $prompt',
      async ({ prompt, promptTokens, tokens, text }) => {
        const { choices, usage } = await ask('smollm2', prompt);
        expect(choices[0].message.content).toBe(text);
        expect(choices[0].finish_reason).toBe(tokens < MOST_TOKENS ? 'stop' : 'length');
        expect(usage).toMatchObject({ prompt_tokens: promptTokens, completion_tokens: tokens });
      },
    );

    test('serves the tiny model too', async () => {
      const { choices } = await ask('tiny', 'What is 12 + 30?');
      expect(choices[0].message.content).toContain('42');
    });
  },
);
