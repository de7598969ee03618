import { expect, test } from 'vitest';
import { beginningsOf } from './prefixes.ts';

const say = (role: string, words: number, about = 'word') => ({
  role,
  content: `${about} `.repeat(words),
});
const turns = [say('system', 200), say('user', 50), say('assistant', 80), say('user', 20)];
interface Body {
  readonly messages: readonly object[];
  readonly tools?: readonly object[];
}
const beginnings = (body: Body, scope: string) =>
  beginningsOf(
    {
      body: { ...body },
      messageTexts: body.messages.map((one) => Buffer.from(JSON.stringify(one))),
    },
    scope,
  );
const prefixesOf = (body: Body, scope: string) => beginnings(body, scope).prefixes;
const conversationOf = (body: Body, scope: string) => beginnings(body, scope).conversation;
const keys = (body: Body, scope = 'scope') => prefixesOf(body, scope).map(({ key }) => key);

test('the next turn has the prefixes of the last one, the longest first', () => {
  const [before, after] = [keys({ messages: turns.slice(0, 2) }), keys({ messages: turns })];
  expect(before).toHaveLength(2);
  expect(after).toHaveLength(4);
  expect(after.slice(2)).toEqual(before);
  const tokens = prefixesOf({ messages: turns }, 'scope').map((prefix) => prefix.tokens);
  expect(tokens).toEqual(tokens.toSorted((one, other) => other - one));
});

test('another key, other tools or another text have nothing in common, and no digest contains text', () => {
  const messages = turns;
  const all = [
    keys({ messages }),
    keys({ messages }, 'another'),
    keys({ messages, tools: [{}] }),
    keys({ messages: [say('system', 200, 'other'), ...turns.slice(1)] }),
  ].flat();
  expect(new Set(all).size).toBe(all.length);
  for (const key of all) expect(key).toMatch(/^[\w-]{22}$/);
});

test('short prefixes, and those beyond eight, are left out', () => {
  expect(keys({ messages: [say('user', 5)] })).toEqual([]);
  expect(keys({ messages: Array.from({ length: 40 }, () => say('user', 200)) })).toHaveLength(8);
});

test('the digest of a conversation is the same in every turn, and differs with the first question', () => {
  const [system, question, answer, next] = turns as [object, object, object, object];
  const [first, later, retold, other, stranger] = [
    conversationOf({ messages: [system, question] }, 'scope'),
    conversationOf({ messages: turns }, 'scope'),
    conversationOf({ messages: [system, question, say('assistant', 9), next] }, 'scope'),
    conversationOf({ messages: [system, say('user', 9), answer] }, 'scope'),
    conversationOf({ messages: turns }, 'another'),
  ];
  expect([later, retold]).toEqual([first, first]);
  expect(new Set([first, other, stranger]).size).toBe(3);
});
