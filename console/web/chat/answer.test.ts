import { expect, test } from 'vitest';
import {
  newAnswer,
  servingOf,
  withEnd,
  withEvent,
  withSealedEnd,
  withSealedEvent,
} from './answer.ts';

const events = [
  { choices: [{ delta: { role: 'assistant', content: '' }, finish_reason: null }] },
  { choices: [{ delta: { reasoning_content: 'Adding.' }, finish_reason: null }] },
  { choices: [{ delta: { content: '4' }, finish_reason: null }] },
  { choices: [{ delta: { content: '2' }, finish_reason: null }] },
  { choices: [{ delta: {}, finish_reason: 'stop' }] },
  { choices: [], usage: { prompt_tokens: 9, completion_tokens: 3, cost: 0.000042 } },
].map((event) => JSON.stringify(event));

const read = (lines: readonly string[]) =>
  lines.reduce(
    (answer, data, index) => withEvent(answer, data, (index + 1) * 100),
    newAnswer('tiny'),
  );

test('an answer is the sum of its events', () => {
  expect(withEnd(read([...events, '[DONE]']), 900)).toEqual({
    role: 'assistant',
    model: 'tiny',
    text: '42',
    reasoning: 'Adding.',
    end: { kind: 'complete' },
    firstContentMs: 200,
    totalMs: 900,
    promptTokens: 9,
    completionTokens: 3,
    costMicroUsd: 42,
  });
});

test('an answer whose stream ends early has failed, and keeps its text', () => {
  const answer = withEnd(read(events.slice(0, 3)), 500);
  expect(answer.text).toBe('4');
  expect(answer.end).toEqual({ kind: 'failed', message: '' });
});

test('an error in the stream is the reason of the failure', () => {
  const error = JSON.stringify({ error: { message: 'The machine was lost.' } });
  expect(read([...events.slice(0, 3), error]).end).toEqual({
    kind: 'failed',
    message: 'The machine was lost.',
  });
});

test('an answer at its limit says so', () => {
  const cut = JSON.stringify({ choices: [{ delta: {}, finish_reason: 'length' }] });
  expect(read([cut, '[DONE]']).end).toEqual({ kind: 'length' });
});

test('the reasons for the machine are read from the headers', () => {
  const routing = {
    attempts: 2,
    queued_ms: 3,
    expected_first_content_ms: 40,
    terms_ms: { prefill: 40 },
  };
  const headers = new Headers({ 'x-dinf-routing': JSON.stringify(routing) });
  expect(servingOf(headers).choice).toEqual({
    attempts: 2,
    queuedMs: 3,
    expectedMs: 40,
    terms: { prefill: 40 },
  });
});

test('the machine is read from the headers', () => {
  const headers = new Headers({ 'x-provider-id': 'P1', 'x-provider-simulated': 'true' });
  expect(servingOf(headers)).toMatchObject({ provider: 'P1', isSimulated: true, chip: undefined });
});

const usage = { promptTokens: 9, cachedTokens: 0, completionTokens: 3 };
const hashes = { requestHash: new Uint8Array(32), responseHash: new Uint8Array(32) };

test('a sealed answer is the sum of its opened events', () => {
  const opened = [
    { k: 'reasoning', text: 'Adding.', tokens: 1 },
    { k: 'text', text: '4', tokens: 1 },
    { k: 'text', text: '2', tokens: 1 },
  ] as const;
  const answer = opened.reduce(
    (grown, event, index) => withSealedEvent(grown, event, (index + 1) * 100),
    newAnswer('tiny'),
  );
  expect(
    withEnd(withSealedEnd(answer, { k: 'end', finish: 'stop', usage, ...hashes }), 900),
  ).toEqual({
    role: 'assistant',
    model: 'tiny',
    text: '42',
    reasoning: 'Adding.',
    end: { kind: 'complete' },
    firstContentMs: 100,
    totalMs: 900,
    promptTokens: 9,
    completionTokens: 3,
  });
});

const CALLS = [
  { id: 'call_a', name: 'weather', text: '{"city":"Bern"}' },
  { id: 'call_b', name: 'time', text: '{}' },
];

test('calls of tools are put together from their parts', () => {
  const part = (index: number, rest: object) =>
    JSON.stringify({ choices: [{ delta: { tool_calls: [{ index, ...rest }] } }] });
  const answer = read([
    part(0, { id: 'call_a', function: { name: 'weather', arguments: '' } }),
    part(0, { function: { arguments: '{"city":' } }),
    part(0, { function: { arguments: '"Bern"}' } }),
    part(1, { id: 'call_b', function: { name: 'time', arguments: '{}' } }),
    JSON.stringify({ choices: [{ delta: {}, finish_reason: 'tool_calls' }] }),
  ]);
  expect(answer).toMatchObject({ toolCalls: CALLS, end: { kind: 'complete' }, text: '' });
  expect(answer.firstContentMs).toBe(100);
});

test('calls of tools in a sealed answer are put together too', () => {
  const events = [
    { k: 'tool', index: 0, id: 'call_a', name: 'weather', text: '', tokens: 1 },
    { k: 'tool', index: 0, text: '{"city":', tokens: 1 },
    { k: 'tool', index: 0, text: '"Bern"}', tokens: 1 },
    { k: 'tool', index: 1, id: 'call_b', name: 'time', text: '{}', tokens: 1 },
  ] as const;
  const answer = events.reduce(
    (grown, event, index) => withSealedEvent(grown, event, index * 100),
    newAnswer('tiny'),
  );
  expect(answer.toolCalls).toEqual(CALLS);
});

test.each(['error', 'cancelled'] as const)(
  'a sealed answer that ends with %s has failed',
  (finish) => {
    const answer = withSealedEnd(newAnswer('tiny'), { k: 'end', finish, usage, ...hashes });
    expect(answer.end).toEqual({ kind: 'failed', message: '' });
  },
);
