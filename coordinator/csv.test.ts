import { expect, test } from 'vitest';
import { csvLine } from './csv.ts';

test.each([
  ['=1+1', "'=1+1"],
  ['+1', "'+1"],
  ['-2+3+cmd', "'-2+3+cmd"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['\r=1', '"\'\r=1"'],
  ['=HYPERLINK("https://example.com")', '"\'=HYPERLINK(""https://example.com"")"'],
])('the text %j cannot run as a formula', (text, cell) => {
  expect(csvLine([text])).toBe(cell);
});

test('numbers stay numbers, and absent values are empty cells', () => {
  expect(csvLine([-100, 0, 2.5, null, undefined, 'job_1'])).toBe('-100,0,2.5,,,job_1');
});

test('commas, quotes and line ends stay within their cell', () => {
  expect(csvLine(['a,b', 'say "x"', 'one\ntwo'])).toBe('"a,b","say ""x""","one\ntwo"');
});
