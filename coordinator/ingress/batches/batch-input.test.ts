import { expect, test } from 'vitest';
import { MAX_BATCH_LINES } from '#bus-schemas';
import { ApiError } from '#http-api/errors.ts';
import { BatchInput } from './batch-input.ts';
import { LineRetries } from './line-job.ts';
import { openAiBatch } from './openai-batch.ts';

const ENDPOINT = '/v1/chat/completions';
const line = (id: string) =>
  JSON.stringify({ custom_id: id, method: 'POST', url: ENDPOINT, body: { model: 'sim' } });
const inputOf = (text: string) => new BatchInput(Buffer.from(text), openAiBatch(ENDPOINT));

test('blank lines, a missing last newline and Windows line ends are no faults', async () => {
  const input = inputOf(`${line('one')}\r\n\n  \n${line('two')}`);
  expect([input.size, await input.problems()]).toEqual([2, []]);
  expect(input.request(1).customId).toBe('two');
});

test('a file without a line, or with too many, is refused as a whole', async () => {
  for (const [text, code] of [
    ['\n \n', 'empty_file'],
    [`${line('x')}\n`.repeat(MAX_BATCH_LINES + 1), 'too_many_lines'],
  ] as const)
    expect(await inputOf(text).problems()).toMatchObject([{ code, line: null }]);
});

test('at most twenty faults are reported, and none quotes the file', async () => {
  const problems = await inputOf('{"custom_id": "a secret name"}\n'.repeat(50)).problems();
  expect(problems).toHaveLength(20);
  expect(JSON.stringify(problems)).not.toContain('secret');
});

test('a line waits for an idle machine without an end, and for machines that work five times', () => {
  const busy = new LineRetries();
  const pauses = Array.from({ length: 40 }, () => busy.pauseAfter(new ApiError('saturated')));
  expect(pauses.slice(0, 3)).toEqual([1_000, 2_000, 4_000]);
  expect(new Set(pauses.slice(8))).toEqual(new Set([60_000]));
  const told = new ApiError('rate_limit_exceeded', undefined, { retryAfterMs: 5_000 });
  expect(new LineRetries().pauseAfter(told)).toBe(5_000);
  const failing = new LineRetries();
  const tries = Array.from({ length: 5 }, () => failing.pauseAfter(new ApiError('stream_cut')));
  expect(tries.map((pause) => pause !== undefined)).toEqual([true, true, true, true, false]);
  expect(new LineRetries().pauseAfter(new ApiError('model_not_found'))).toBeUndefined();
});
