import { describe, expect, test } from 'vitest';
import type { Answer } from '#http-api/answer.ts';
import { ApiError, type ApiErrorCode } from '#http-api/errors.ts';
import { answerWithFirst } from './fallback-answer.ts';

/** An answer that records how it ended. */
function recordingAnswer(name: string, log: string[]): Answer {
  return {
    serving: () => log.push(`${name} serving`),
    write: () => 'more',
    discard: () => log.push(`${name} discarded`),
    finish: () => log.push(`${name} finished`),
    reject: ({ code }) => log.push(`${name} rejected: ${code}`),
    cut: ({ code }) => log.push(`${name} cut: ${code}`),
  };
}
const end = {
  finish: 'stop',
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
  stopSequence: undefined,
} as const;

/** Answers with models that fail before or after their job starts with the named codes. */
async function outcomeOf(
  models: Readonly<
    Record<string, { refused?: ApiErrorCode; failed?: ApiErrorCode; cut?: ApiErrorCode }>
  >,
  isGone = false,
): Promise<string[]> {
  const log: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const recording = (name: string): Answer => {
    const answer = recordingAnswer(name, log);
    const last = (method: 'reject' | 'cut') => (error: ApiError) => {
      answer[method](error);
      resolve();
    };
    const finish: Answer['finish'] = (done) => {
      answer.finish(done);
      resolve();
    };
    return { ...answer, reject: last('reject'), cut: last('cut'), finish };
  };
  await answerWithFirst(Object.keys(models), {
    prepare: async (model) => {
      const name = String(model);
      const { refused } = models[name] ?? {};
      if (refused !== undefined) throw new ApiError(refused);
      return name;
    },
    answer: recording,
    start: (name, answer) => {
      const { failed, cut } = models[name] ?? {};
      if (failed !== undefined) answer.reject(new ApiError(failed));
      else if (cut !== undefined) answer.cut(new ApiError(cut));
      else answer.finish(end);
    },
    isGone: () => isGone,
    onReplaced: (name) => log.push(`${name} replaced`),
    onFailure: (error) => log.push(String(error)),
  });
  await ended;
  return log;
}

describe('a request with fallback models', () => {
  test('is answered by the first model that works', async () => {
    expect(await outcomeOf({ a: {}, b: {} })).toEqual(['a finished']);
    expect(await outcomeOf({ a: { refused: 'model_not_found' }, b: {} })).toEqual(['b finished']);
    expect((await outcomeOf({ a: { failed: 'saturated' }, b: {} })).toSorted()).toEqual([
      'a discarded',
      'a replaced',
      'b finished',
    ]);
  });

  test('gets the error of the last model that was started', async () => {
    const log = await outcomeOf({
      a: { failed: 'saturated' },
      b: { failed: 'no_provider' },
      c: { refused: 'model_not_found' },
    });
    expect(log.filter((line) => line.includes('rejected'))).toEqual(['b rejected: no_provider']);
  });

  test('gets the error of the first model if none could be started', async () => {
    await expect(
      outcomeOf({ a: { refused: 'context_length_exceeded' }, b: { refused: 'model_not_found' } }),
    ).rejects.toMatchObject({ code: 'context_length_exceeded' });
  });

  test.each([
    [{ a: { failed: 'insufficient_quota' as const }, b: {} }, 'a rejected: insufficient_quota'],
    [{ a: { cut: 'stream_cut' as const }, b: {} }, 'a cut: stream_cut'],
  ])('does not fall back after errors of money, or after the first content: %#', async (m, l) => {
    expect(await outcomeOf(m)).toEqual([l]);
  });

  test('does not try another model once its client has left', async () => {
    expect(await outcomeOf({ a: { failed: 'saturated' }, b: {} }, true)).toEqual([
      'a rejected: saturated',
    ]);
  });
});
