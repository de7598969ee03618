import { expect, test } from 'vitest';
import { PrefixMemory } from './prefix-memory.ts';

const prefix = (key: string, tokens: number) => ({ key, tokens });

test('finds the longest prefix that a machine has read, for as long as the machine should keep it', () => {
  const memory = new PrefixMemory();
  memory.remember([prefix('long', 900), prefix('short', 300)], 'one', 0);
  memory.remember([prefix('short', 300)], 'two', 1_000);
  const turn = [prefix('longest', 1_200), prefix('long', 900), prefix('short', 300)];
  expect(memory.find(turn, 2_000)).toEqual({ provider: 'one', tokens: 900 });
  expect(memory.find(turn.slice(2), 2_000)).toEqual({ provider: 'two', tokens: 300 });
  expect(memory.find(turn, 600_500)).toEqual({ provider: 'two', tokens: 300 });
  expect(memory.find(turn, 700_000)).toBeUndefined();
});

test('drops the least recently used prefixes when it is full', () => {
  const memory = new PrefixMemory();
  for (let conversation = 0; conversation < 120_000; conversation += 1) {
    memory.remember([prefix(`${conversation}`, 100)], 'one', conversation);
    memory.find([prefix('1', 100)], conversation);
  }
  expect(memory.size).toBe(100_000);
  expect(memory.find([prefix('0', 100)], 1)).toBeUndefined();
  expect(memory.find([prefix('1', 100)], 120_000)).toBeDefined();
  expect(memory.find([prefix('119999', 100)], 120_000)).toBeDefined();
});
