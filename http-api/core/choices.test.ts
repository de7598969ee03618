import { describe, expect, test } from 'vitest';
import { wantedChoices } from './choices.ts';

describe('the choices of a request', () => {
  test('are n requests for one choice, with a seed of its own each if one was given', () => {
    expect(wantedChoices({ model: 'm', n: 3, seed: 7 })).toEqual([
      { model: 'm', seed: 7 },
      { model: 'm', seed: 8 },
      { model: 'm', seed: 9 },
    ]);
    expect(wantedChoices({ n: 2 })).toEqual([{}, {}]);
    expect(wantedChoices({ n: 1 })).toEqual([{}]);
    expect(wantedChoices({ n: null })).toHaveLength(1);
  });

  test('are n for each prompt of a list, in the order of the prompts', () => {
    const choices = wantedChoices({ prompt: ['a', 'b'], n: 2 });
    expect(choices.map(({ prompt }) => prompt)).toEqual(['a', 'a', 'b', 'b']);
  });

  test('leave a prompt that is no list of texts to the check of the prompt', () => {
    for (const prompt of [[], [1, 2], [[1]], 'a'])
      expect(wantedChoices({ prompt })).toEqual([{ prompt }]);
  });

  test.each([
    [{ n: 9 }, 'n'],
    [{ n: 0 }, 'n'],
    [{ n: 1.5 }, 'n'],
    [{ n: 'many' }, 'n'],
    [{ prompt: ['a', 'b', 'c'], n: 3 }, 'n'],
    [{ prompt: Array.from({ length: 9 }, String) }, 'prompt'],
  ])('are at most 8: %j is refused', (request, param) => {
    expect(() => wantedChoices(request)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });
});
