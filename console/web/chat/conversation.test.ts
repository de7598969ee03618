import { expect, test } from 'vitest';
import {
  bounded,
  type ChatAnswer,
  type Conversation,
  forApi,
  titleOf,
  withConversation,
} from './conversation.ts';

const conversation = (id: string, at: number, text = 'Hello'): Conversation => ({
  id,
  at,
  model: 'tiny',
  messages: [{ role: 'user', text }],
});
const failed: ChatAnswer = {
  role: 'assistant',
  model: 'tiny',
  text: '',
  reasoning: '',
  end: { kind: 'failed', message: 'no machine' },
};

test('the title is the beginning of the first question', () => {
  expect(titleOf(conversation('a', 1, 'One line\nanother'))).toBe('One line');
  expect(titleOf(conversation('a', 1, 'x'.repeat(200)))).toHaveLength(60);
});

test('answers without text are not sent to the model again', () => {
  expect(forApi([{ role: 'user', text: 'Hi' }, failed, { role: 'user', text: 'Again' }])).toEqual([
    { role: 'user', content: 'Hi' },
    { role: 'user', content: 'Again' },
  ]);
});

test('a changed conversation replaces the old one and comes first', () => {
  const list = withConversation([conversation('a', 1), conversation('b', 2)], conversation('a', 3));
  expect(list.map(({ id }) => id)).toEqual(['a', 'b']);
});

test('the oldest conversations are dropped when there are too many, or too long ones', () => {
  const many = Array.from({ length: 150 }, (_, at) => conversation(`c${at}`, at));
  expect(bounded(many)).toHaveLength(100);
  expect(bounded(many)[0]?.id).toBe('c149');
  const long = [1, 2, 3].map((at) => conversation(`l${at}`, at, 'x'.repeat(900_000)));
  expect(bounded(long).map(({ id }) => id)).toEqual(['l3', 'l2']);
});
