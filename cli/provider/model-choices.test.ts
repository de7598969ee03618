import { expect, test } from 'vitest';
import { choiceLine, modelChoices, placesIn } from './model-choices.ts';

const qwen = 'mlx-community/Qwen3-4B-4bit';
const catalogue = [
  {
    id: 'gemma',
    repository: 'mlx-community/gemma-12b',
    wanted: { requests: 90, machines: 1, memoryGb: 16 },
  },
  { id: 'qwen', repository: qwen, wanted: { requests: 400, machines: 3, memoryGb: 8 } },
  {
    id: 'giant',
    repository: 'mlx-community/giant',
    wanted: { requests: 900, machines: 0, memoryGb: 512 },
  },
  { id: 'private', repository: undefined, wanted: { requests: 5, machines: 1 } },
];
const onDisk = [
  { name: 'mlx-community/own-4bit', bytes: 2e9, tokensPerSecond: 50 },
  { name: qwen, bytes: 2.3e9, tokensPerSecond: 43.4 },
  { name: 'mlx-community/too-large', bytes: 90e9, problem: 'It needs about 99 GB.' },
];

test('the list has what fits, the most wanted first: models on the disk, and those that can be downloaded', () => {
  expect(modelChoices({ onDisk, catalogue, machineGb: 16 }).map(choiceLine)).toEqual([
    `${qwen}, 2.3 GB of weights, at most 43 tokens/s, on this machine, 400 requests in 24 h, 3 machines`,
    'mlx-community/gemma-12b, needs 16 GiB of memory, is downloaded first, 90 requests in 24 h, 1 machine',
    'mlx-community/own-4bit, 2.0 GB of weights, at most 50 tokens/s, on this machine, not in the catalogue: only you can use it',
  ]);
});

test('a model that the catalogue names like a build on the disk has the demand of both', () => {
  const [first] = modelChoices({
    onDisk: [{ name: 'anyone/qwen', bytes: 1e9 }],
    catalogue: [{ id: 'qwen', repository: undefined, wanted: { requests: 7, machines: 0 } }],
    machineGb: 16,
  });
  expect(first).toMatchObject({ name: 'anyone/qwen', wanted: { requests: 7 } });
});

test.each([
  ['', [0]],
  ['2', [1]],
  [' 1, 3 ', [0, 2]],
  ['3 3 1', [2, 0]],
  ['0', undefined],
  ['4', undefined],
  ['1,x', undefined],
  ['-1', undefined],
])('the answer "%s" names the places %j of three', (text, places) => {
  expect(placesIn(text, 3)).toEqual(places);
});
