import { expect, test } from 'vitest';
import { forApi } from './api-messages.ts';
import { type ChatAnswer, openCalls } from './conversation.ts';

const answer = (changes: Partial<ChatAnswer>): ChatAnswer => ({
  role: 'assistant',
  model: 'tiny',
  text: '',
  reasoning: '',
  end: { kind: 'complete' },
  ...changes,
});
const calls = [
  { id: 'call_1', name: 'weather', text: '{"city":"Bern"}' },
  { id: 'call_2', name: 'time', text: '{}' },
];
const asCall = ({ id, name, text }: (typeof calls)[number]) => ({
  id,
  type: 'function',
  function: { name, arguments: text },
});

test('answers without text are not sent to the model again', () => {
  const failed = answer({ end: { kind: 'failed', message: 'no machine' } });
  expect(forApi([{ role: 'user', text: 'Hi' }, failed, { role: 'user', text: 'Again' }])).toEqual([
    { role: 'user', content: 'Hi' },
    { role: 'user', content: 'Again' },
  ]);
});

test('images come before the text of their question, and a question may have no text', () => {
  const url = 'data:image/jpeg;base64,AAAA';
  const image = { type: 'image_url', image_url: { url } };
  expect(
    forApi([
      { role: 'user', text: 'What is it?', images: [url, url] },
      { role: 'user', text: '', images: [url] },
    ]),
  ).toEqual([
    { role: 'user', content: [image, image, { type: 'text', text: 'What is it?' }] },
    { role: 'user', content: [image] },
  ]);
});

test('calls are sent with their results', () => {
  expect(
    forApi([
      answer({ toolCalls: calls }),
      { role: 'tool', callId: 'call_1', text: 'sunny' },
      { role: 'tool', callId: 'call_2', text: 'noon' },
    ]),
  ).toEqual([
    { role: 'assistant', content: '', tool_calls: calls.map(asCall) },
    { role: 'tool', content: 'sunny', tool_call_id: 'call_1' },
    { role: 'tool', content: 'noon', tool_call_id: 'call_2' },
  ]);
});

test('calls without a result are left out, because models refuse them', () => {
  expect(forApi([answer({ toolCalls: calls }), { role: 'user', text: 'Something else' }])).toEqual([
    { role: 'user', content: 'Something else' },
  ]);
});

test('only the calls of a complete last answer wait for results', () => {
  expect(openCalls([answer({ toolCalls: calls })])).toEqual(calls);
  expect(openCalls([answer({ toolCalls: calls, end: { kind: 'stopped' } })])).toEqual([]);
  expect(openCalls([answer({ toolCalls: calls }), { role: 'user', text: 'No' }])).toEqual([]);
});
