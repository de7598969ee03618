import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ResultReader } from './encoding-results.ts';
import { MAX_DIMENSIONS, wantedResults } from './messages/encoding.ts';
import { scoreLine, vectorLine } from './result-lines.ts';

const two = { k: 'embeddings', inputs: ['a', 'b'] } as const;
const task = (more: object = {}) => ({ ...two, inputs: [...two.inputs], ...more });
const ranking = { k: 'rerank' as const, query: 'q', documents: ['a', 'b'] };
const line = (...numbers: number[]) => vectorLine(Float32Array.from(numbers));

describe('the results of a task', () => {
  test('are read from lines as they were written, whatever the numbers are', () => {
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 40 }), (numbers) => {
        const reader = new ResultReader(wantedResults(task()));
        const vector = Float32Array.from(numbers);
        expect(reader.add({ text: vectorLine(vector).repeat(2), tokens: 2 })).toBe(true);
        expect(reader.isWhole).toBe(true);
        expect(reader.results.vectors).toEqual([vector, vector]);
      }),
    );
  });

  test('are relevances from 0 to 1 for a rerank', () => {
    const reader = new ResultReader(wantedResults(ranking));
    expect(reader.add({ text: scoreLine(1e-7) + scoreLine(1), tokens: 2 })).toBe(true);
    expect(reader.results.scores).toEqual([1e-7, 1]);
  });

  test('are not whole while one is missing', () => {
    const reader = new ResultReader(wantedResults(task()));
    expect(reader.add({ text: line(1, 2), tokens: 1 })).toBe(true);
    expect(reader.isWhole).toBe(false);
  });

  test.each([
    ['more lines than tokens', task(), line(1) + line(1), 1],
    ['more tokens than lines', task(), line(1), 2],
    ['more results than texts', task(), line(1).repeat(3), 3],
    ['a line without an end', task(), line(1).trim(), 1],
    ['a text', task(), 'Hello\n', 1],
    ['an empty line', task(), '\n', 1],
    ['a number that is not finite', task(), line(Number.NaN), 1],
    ['half a number', task(), `${Buffer.alloc(6).toString('base64')}\n`, 1],
    ['vectors of different lengths', task(), line(1) + line(1, 2), 2],
    ['another length than was asked for', task({ dimensions: 3 }), line(1, 2), 1],
    ['a vector above the limit', task(), vectorLine(new Float32Array(MAX_DIMENSIONS + 1)), 1],
    ['a relevance above 1', ranking, '1.5\n', 1],
    ['a negative relevance', ranking, '-0.5\n', 1],
    ['a vector as a relevance', ranking, line(1), 1],
  ])('are refused if they contain %s', (_name, asked, text, tokens) => {
    expect(new ResultReader(wantedResults(asked)).add({ text, tokens })).toBe(false);
  });
});
