import { expect, test } from 'vitest';
import { LISTED, leaderboard } from './leaderboard.ts';

const named = (...names: string[]) => names.map((name) => ({ provider: `machine-${name}`, name }));
const served = (name: string, jobs: number, tokens: number) => ({
  provider: `machine-${name}`,
  jobs,
  tokens,
});

test('machines are ranked by their exact tokens, and the shown ones are rounded', () => {
  const rows = leaderboard(named('Ada', 'Bob'), [
    served('Ada', 123, 12_340),
    served('Bob', 456, 12_341),
  ]);
  expect(rows).toEqual([
    { name: 'Bob', requests: 460, tokens: 12_000 },
    { name: 'Ada', requests: 120, tokens: 12_000 },
  ]);
});

test('machines without a name, and those with fewer than ten requests, are left out', () => {
  const rows = leaderboard(named('Few', 'None', 'Ten'), [
    served('Few', 9, 9_000),
    served('Ten', 10, 100),
    served('Unnamed', 1_000, 1_000_000),
  ]);
  expect(rows).toEqual([{ name: 'Ten', requests: 10, tokens: 100 }]);
});

test('the list has a bound', () => {
  const names = Array.from({ length: LISTED + 20 }, (_, index) => `Mac ${index}`);
  const rows = leaderboard(
    named(...names),
    names.map((name, index) => served(name, 100, 1_000 + index * 100)),
  );
  expect(rows).toHaveLength(LISTED);
  expect(rows[0]?.name).toBe(names.at(-1));
});
