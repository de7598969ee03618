import { expect, test } from 'vitest';
import { bounded, type Conversation, titleOf, withConversation } from './conversation.ts';

const conversation = (id: string, at: number, text = 'Hello'): Conversation => ({
  id,
  at,
  model: 'tiny',
  messages: [{ role: 'user', text }],
});

test('the title is the beginning of the first question', () => {
  expect(titleOf(conversation('a', 1, 'One line\nanother'))).toBe('One line');
  expect(titleOf(conversation('a', 1, 'x'.repeat(200)))).toHaveLength(60);
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
