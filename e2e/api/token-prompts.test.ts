import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keepTokenizer } from '#coordinator';
import { simulatedAliases, simulatedModels } from '#simulator';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { expectedText, startTestNetwork, type TestNetwork } from '../test-network.ts';

const MAX_TOKENS = 8;
let network: TestNetwork;
let tokenizer: Tokenizer;

beforeAll(async () => {
  network = await startTestNetwork({ providers: 1, tokenMs: 0 });
  const file = join(TINY_MODEL_FOLDER, 'tokenizer.json');
  tokenizer = new Tokenizer(JSON.parse(await readFile(file, 'utf8')), {});
});
afterAll(() => network[Symbol.asyncDispose]());

const idsOf = (text: string): number[] => [
  ...tokenizer.encode(text, { add_special_tokens: false }).ids,
];
const complete = (prompt: unknown) =>
  network
    .openai()
    .completions.create({ model: 'sim', prompt: prompt as string, max_tokens: MAX_TOKENS });
const answerTo = (content: string) => expectedText([{ role: 'user', content }], MAX_TOKENS);

test('a prompt of token ids is refused by name without a tokenizer, and otherwise answered like its text', async () => {
  const text = 'Count to 3, äöü.';
  await expect(complete(idsOf(text))).rejects.toMatchObject({
    status: 400,
    param: 'prompt',
    message: expect.stringContaining('no tokenizer'),
  });
  const digest = await keepTokenizer(network.network.config.home, TINY_MODEL_FOLDER);
  await network.network.putModels(
    simulatedModels.map((model) => ({ ...model, tokenizer: digest })),
    simulatedAliases,
  );
  await expect
    .poll(
      () =>
        complete(idsOf(text)).then(
          ({ choices }) => choices[0]?.text,
          () => undefined,
        ),
      {
        timeout: 10_000,
      },
    )
    .toBe(answerTo(text));
  const { choices } = await complete([idsOf(text), idsOf('Hi')]);
  expect(choices.map((choice) => choice.text)).toEqual([answerTo(text), answerTo('Hi')]);
  await expect(complete([idsOf(text), idsOf('<|im_end|>')])).rejects.toMatchObject({
    status: 400,
    param: 'prompt',
    message: expect.stringContaining('prompt 1: these ids are not the tokens of a text'),
  });
  await expect(complete(Array.from({ length: 9 }, () => [1]))).rejects.toMatchObject({
    status: 400,
    param: 'prompt',
  });
});
