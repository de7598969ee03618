import { expect, test } from 'vitest';
import { parseInline, parseMarkdown } from './markdown.ts';

test('paragraphs, headings, lists and code are told apart', () => {
  const blocks = parseMarkdown(
    '# Sum\nTwo\nlines\n\n- one\n- **two**\n1. first\n```ts\nlet a = 1;\n\n```\nend',
  );
  expect(blocks.map(({ kind }) => kind)).toEqual([
    'heading',
    'paragraph',
    'list',
    'list',
    'code',
    'paragraph',
  ]);
  expect(blocks[4]).toEqual({ kind: 'code', language: 'ts', text: 'let a = 1;\n' });
  expect(blocks[2]).toMatchObject({
    ordered: false,
    items: [[{ text: 'one' }], [{ kind: 'strong' }]],
  });
});

test('code whose fence has not arrived yet is code', () => {
  expect(parseMarkdown('```\nhalf')).toEqual([{ kind: 'code', language: '', text: 'half' }]);
});

test('marks inside of a line are read', () => {
  expect(parseInline('a `b` **c** *d* 2 * 3 * 4')).toEqual([
    { kind: 'text', text: 'a ' },
    { kind: 'code', text: 'b' },
    { kind: 'text', text: ' ' },
    { kind: 'strong', text: 'c' },
    { kind: 'text', text: ' ' },
    { kind: 'emphasis', text: 'd' },
    { kind: 'text', text: ' 2 * 3 * 4' },
  ]);
});

test('elements of HTML stay text', () => {
  expect(parseMarkdown('<img src=x onerror=alert(1)>')).toEqual([
    { kind: 'paragraph', content: [{ kind: 'text', text: '<img src=x onerror=alert(1)>' }] },
  ]);
});

test('every text is parsed to its end', () => {
  for (const text of ['', '\n\n', '- ', '```', '#', '# ', '1.', '*', '**', '- a\n1. b\n- c'])
    expect(() => parseMarkdown(text)).not.toThrow();
});
