import { expect, test } from 'vitest';
import { EXAMPLE_TOOLS, toolsIn } from './tools.ts';

test('functions are read by themselves and in the form of the API', () => {
  const bare = { name: 'now', description: 'The time', parameters: { type: 'object' } };
  const wrapped = { type: 'function', function: bare };
  expect(toolsIn(JSON.stringify([bare]))).toEqual([wrapped]);
  expect(toolsIn(JSON.stringify([wrapped]))).toEqual([wrapped]);
  expect(toolsIn(EXAMPLE_TOOLS)).toHaveLength(1);
  expect(toolsIn('  ')).toEqual([]);
});

test.each([
  '{',
  '{}',
  '[1]',
  '[{}]',
  '[{"name":"two words"}]',
  '[{"name":"ok","parameters":[]}]',
  '[{"name":"ok","description":1}]',
  JSON.stringify(Array.from({ length: 17 }, (_, index) => ({ name: `tool_${index}` }))),
])('%s is no list of functions', (text) => {
  expect(toolsIn(text)).toBeUndefined();
});
