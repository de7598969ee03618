import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Answer } from './answer.ts';
import { type ChoicesOptions, StreamedChoices, WholeChoices } from './choice-answers.ts';
import { chat } from './core/surfaces/chat.ts';
import type { ChoiceFormat } from './core/surfaces/surface.ts';
import { ApiError } from './errors.ts';
import { MemoryBudget } from './memory-budget.ts';

const head = {
  job: 'job_x',
  model: 'sim',
  createdSeconds: 1,
  nowSeconds: () => 2,
  includeUsage: true,
  maxOutputTokens: 10,
  promptTokens: { estimate: 5, bound: 10 },
  request: {},
};
const end = {
  finish: 'stop',
  usage: { promptTokens: 5, cachedTokens: 1, completionTokens: 2 },
  cost: { totalMicroUsd: 30, promptMicroUsd: 10 },
} as const;
const busy = new ApiError('saturated');

/** What the client of an answer with two choices receives, and how often the second one started. */
async function received(
  make: (options: ChoicesOptions) => StreamedChoices | WholeChoices,
  run: (first: Answer, second: Answer) => void,
) {
  let begun = 0;
  const answer = (response: ServerResponse) => {
    const choices = make({
      response,
      surface: chat,
      format: chat.choices as ChoiceFormat,
      heads: [0, 1].map((choice) => ({ ...head, choice })),
      requestId: 'req',
      onBegun: () => {
        begun += 1;
      },
    });
    run(choices.of(0), choices.of(1));
  };
  const server = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}`);
    return { status: response.status, text: await response.text(), begun };
  } finally {
    server.close();
  }
}
const streamed = (options: ChoicesOptions) => new StreamedChoices(options, 0);
const whole = (options: ChoicesOptions) => new WholeChoices(options, new MemoryBudget(10_000));
const say = (answer: Answer, text: string) => answer.write([{ k: 'text', text, tokens: 1 }]);
const chunksOf = (text: string) =>
  [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, data = '']) => JSON.parse(data));
const sum = {
  prompt_tokens: 10,
  completion_tokens: 4,
  total_tokens: 14,
  prompt_tokens_details: { cached_tokens: 2 },
  cost: 0.000_06,
};
const failed = { finish_reason: 'error', error: { code: 'saturated' } };

describe('a stream with two choices', () => {
  test('has the index in each chunk, and one usage and one end after both', async () => {
    const { status, text, begun } = await received(streamed, (first, second) => {
      say(first, 'a');
      say(second, 'b');
      second.finish(end);
      say(first, 'c');
      first.finish(end);
    });
    expect([status, begun]).toEqual([200, 1]);
    const chunks = chunksOf(text);
    const contents = chunks.flatMap(({ choices: [choice] }) => {
      const { index, delta, finish_reason: finish } = choice ?? {};
      return choice === undefined ? [] : [[index, delta.content ?? finish]];
    });
    expect(contents).toEqual([
      [0, 'a'],
      [1, 'b'],
      [1, 'stop'],
      [0, 'c'],
      [0, 'stop'],
    ]);
    expect(chunks.filter(({ usage }) => usage)).toMatchObject([{ choices: [], usage: sum }]);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text.match(/\[DONE\]/g)).toHaveLength(1);
  });

  test('goes on if the second one fails, which then has the finish reason error', async () => {
    const { text } = await received(streamed, (first, second) => {
      say(first, 'a');
      second.reject(busy);
      first.finish(end);
    });
    const [, error, last, usage] = chunksOf(text);
    expect(error).toMatchObject({ choices: [{ index: 1, delta: {}, ...failed }] });
    expect(last).toMatchObject({ choices: [{ index: 0, finish_reason: 'stop' }] });
    expect(usage).toMatchObject({ usage: { completion_tokens: 2, cost: 0.000_03 } });
  });

  test('ends with an error event if neither has an end', async () => {
    const { text } = await received(streamed, (first, second) => {
      say(first, 'a');
      first.cut(new ApiError('stream_cut'));
      second.reject(busy);
    });
    expect(chunksOf(text).at(-1)).toMatchObject({ error: { code: 'stream_cut' } });
    expect(text).not.toContain('[DONE]');
  });
});

describe('a whole answer with two choices', () => {
  test('has both in the order of their index, and the sum of their usage', async () => {
    const { status, text } = await received(whole, (first, second) => {
      say(first, 'a');
      say(second, 'b');
      second.finish(end);
      first.finish(end);
    });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      id: 'chatcmpl-job_x',
      choices: [
        { index: 0, message: { content: 'a' }, finish_reason: 'stop' },
        { index: 1, message: { content: 'b' }, finish_reason: 'stop' },
      ],
      usage: sum,
    });
  });

  test('has the complete choice if the other one fails', async () => {
    const { status, text } = await received(whole, (first, second) => {
      say(first, 'a');
      second.finish(end);
      first.discard();
      first.reject(busy);
    });
    expect(status).toBe(200);
    expect(JSON.parse(text).choices).toMatchObject([
      { index: 0, message: { content: null }, ...failed },
      { index: 1, finish_reason: 'stop' },
    ]);
  });

  test('is an error if both fail', async () => {
    const { status, text } = await received(whole, (first, second) => {
      say(first, 'a');
      first.discard();
      first.reject(busy);
      second.reject(new ApiError('no_provider'));
    });
    expect(status).toBe(busy.status);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'saturated' } });
  });
});

test.each([
  ['a stream', streamed],
  ['a whole answer', whole],
])('%s does not start the second choice if the first one is refused', async (_, make) => {
  const { status, text, begun } = await received(make, (first) => first.reject(busy));
  expect([status, begun]).toEqual([busy.status, 0]);
  expect(JSON.parse(text)).toMatchObject({ error: { code: 'saturated' } });
});
