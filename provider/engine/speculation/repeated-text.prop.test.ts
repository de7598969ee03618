import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RepeatedText } from './repeated-text.ts';

/** The tokens after the earlier place that has most tokens in common with the end, found naively. */
function naive(text: readonly number[], most: number): number[] {
  const common = (place: number) => {
    let count = 0;
    while (count < place && text[place - 1 - count] === text[text.length - 1 - count]) count += 1;
    return Math.min(count, 16);
  };
  let [found, longest]: [number | undefined, number] = [undefined, 2];
  for (let place = text.length - 1; place > 0; place -= 1)
    if (common(place) > longest) [found, longest] = [place, common(place)];
  if (found === undefined) return [];
  const all = [...text];
  for (let at = found; all.length < text.length + most; at += 1) all.push(all[at] as number);
  return all.slice(text.length);
}

test('the tokens after the best earlier place of the same text are drafted, while the text grows', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 24 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: 8 }),
      (whole, parts, most) => {
        const source = new RepeatedText();
        let length = 0;
        for (const part of parts) {
          length += part;
          const text = whole.slice(0, length);
          // A text of three tokens has more places than are compared, so only the form is compared.
          const drafted = source.draft(text, most);
          const expected = naive(text, most);
          if (text.length <= 10) expect(drafted).toEqual(expected);
          else expect(drafted.length).toBe(expected.length);
        }
      },
    ),
  );
});

test('a text that repeats itself is continued beyond its own end', () => {
  const text = [9, 1, 2, 3, 4, 1, 2, 3];
  expect(new RepeatedText().draft(text, 8)).toEqual([4, 1, 2, 3, 4, 1, 2, 3]);
});

test('a text without a repetition gets no drafts', () => {
  const text = Array.from({ length: 2_000 }, (_, i) => i);
  expect(new RepeatedText().draft(text, 8)).toEqual([]);
});
