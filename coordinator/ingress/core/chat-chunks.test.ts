import { createParser } from 'eventsource-parser';
import { expect, test } from 'vitest';
import { ChatStream, chatCompletion, DONE } from './chat-chunks.ts';

const head = { job: 'job_x', model: 'sim "quoted"', createdSeconds: 1 };
const usage = { promptTokens: 5, cachedTokens: 2, completionTokens: 3 };
const chunks = (text: string): unknown[] => {
  const data: unknown[] = [];
  createParser({ onEvent: (event) => void data.push(event.data === '[DONE]' ? event.data : JSON.parse(event.data)) }).feed(text);
  return data;
};

test('the role comes once, with the first text, and every character survives', () => {
  const stream = new ChatStream(head);
  const texts = ['a"b\\c\n', '🦙\u2028', ''];
  const sent = chunks(texts.map((text) => stream.text(text)).join(''));
  expect(sent).toMatchObject([
    { model: head.model, choices: [{ delta: { role: 'assistant', content: texts[0] } }] },
    { choices: [{ delta: { content: texts[1] } }] },
    { choices: [{ delta: { content: texts[2] } }] },
  ]);
  expect(JSON.stringify(sent[1])).not.toContain('role');
});

test('the usage chunk comes only when asked for, after the finish, before the one [DONE]', () => {
  expect(chunks(new ChatStream(head).finish('stop', undefined))).toMatchObject([{ choices: [{ finish_reason: 'stop' }] }, '[DONE]']);
  expect(chunks(new ChatStream(head).finish('length', usage))).toMatchObject([
    { choices: [{ finish_reason: 'length', delta: { role: 'assistant', content: '' } }] },
    { choices: [], usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8, prompt_tokens_details: { cached_tokens: 2 } } },
    '[DONE]',
  ]);
  expect(DONE).toBe('data: [DONE]\n\n');
});

test('a whole answer is one completion', () => {
  expect(JSON.parse(chatCompletion(head, { text: 'hi', finish: 'stop', usage }))).toMatchObject({
    object: 'chat.completion',
    choices: [{ message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
    usage: { total_tokens: 8 },
  });
});
