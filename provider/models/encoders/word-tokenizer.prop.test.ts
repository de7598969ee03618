import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openEmbedder } from '../../engine/encoders/encoders-under-test.ts';

const { tokenizer, shape } = await openEmbedder();
const MOST = 48;

/** Characters that tokenizers treat in special ways, among others. */
const text = fc.string({
  unit: fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    fc.constantFrom(
      '[SEP]',
      '[CLS]',
      '##',
      '\u0000',
      '\ud800',
      '\u0301',
      'İ',
      '각',
      '東',
      '  ',
      '\u200d',
      'a',
    ),
  ),
  maxLength: 300,
});

test('any text becomes known tokens between the two marks, and never more than asked for', () => {
  fc.assert(
    fc.property(text, (asked) => {
      const input = tokenizer.single(asked, { most: MOST, truncate: true });
      if (input === 'too_long') throw new Error('a shortened text is too long');
      const { tokens } = input;
      expect(tokens.length).toBeLessThanOrEqual(MOST);
      expect([tokens[0], tokens.at(-1)]).toEqual([2, 3]);
      expect(tokens.slice(1, -1).every((id) => id >= 0 && id < shape.vocabulary)).toBe(true);
      expect(tokens.slice(1, -1).includes(3)).toBe(false);
    }),
  );
});

test('a text has at most one token for each of its bytes, by which its money is held', () => {
  fc.assert(
    fc.property(text, (asked) => {
      expect(tokenizer.tokensOf(asked).length).toBeLessThanOrEqual(
        Buffer.byteLength(asked.toWellFormed()),
      );
    }),
  );
});
