import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { launchChromium, noBrowser, openConsolePage } from '../console/chromium.ts';
import { movingPicture } from '../console/moving-picture.ts';
import { askFromLink, countClicks } from '../console/two-clicks.ts';
import { ROOT } from '../source-folders.ts';
import { startUpProcess, type UpProcess } from '../up-process.ts';
import { fetchedModel } from './fetched-model.ts';

/** Greedy answers that transformers computed in 32 bits (make_golden.py). */
const golden: readonly { prompt: string; promptTokens: number; tokens: number; text: string }[] =
  JSON.parse(readFileSync(new URL('./golden.json', import.meta.url), 'utf8'));
const MOST_TOKENS = 64;
/** Time that the recording of the console shows each picture, in milliseconds. */
const FRAME_MS = 2_000;

const model = await fetchedModel();
const reason = 'reason' in model ? model.reason : undefined;
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

    test.skipIf(noBrowser !== undefined)(
      `gives a sealed answer two clicks after the link that it prints (${noBrowser ?? 'Chromium'})`,
      async () => {
        await using browser = await launchChromium();
        await using opened = await openConsolePage(browser, {
          baseURL: up.url,
          viewport: { width: 1280, height: 800 },
          reducedMotion: 'reduce',
        });
        const { page } = opened;
        const pictures: Buffer[] = [];
        const clicks = await countClicks(page);
        await page.goto(up.consoleLink);
        await askFromLink(page, 'What is the capital of Germany?', async () => {
          pictures.push(await page.screenshot());
        });
        await expect.poll(clicks).toBe(2);
        // The page leaves the temperature to the model, so what it says differs from run to run.
        expect(await page.locator('.markdown').first().innerText()).toMatch(/\p{Letter}/u);
        opened.expectNoFaults();
        const recording = movingPicture(pictures, FRAME_MS);
        if (setting('DINF_WRITE_SCREENSHOTS'))
          await writeFile(join(ROOT, 'docs/console/two-clicks.png'), recording);
      },
    );

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
