import { expect, test } from 'vitest';
import { choiceLine, earnedFrom, modelChoices, placesIn } from './model-choices.ts';

const qwen = 'mlx-community/Qwen3-4B-4bit';
const catalogue = [
  {
    id: 'gemma',
    repository: 'mlx-community/gemma-12b',
    demand: { requests: 90, machines: 1, memoryGb: 16 },
  },
  {
    id: 'qwen',
    repository: qwen,
    demand: {
      requests: 400,
      machines: 3,
      memoryGb: 8,
      earned: { medianMicroUsd: 1_250_000, machines: 5, isComparable: true },
    },
  },
  {
    id: 'giant',
    repository: 'mlx-community/giant',
    demand: { requests: 900, machines: 0, memoryGb: 512 },
  },
  { id: 'private', repository: undefined, demand: { requests: 5, machines: 1 } },
];
const onDisk = [
  { name: 'mlx-community/own-4bit', bytes: 2e9, tokensPerSecond: 50 },
  { name: qwen, bytes: 2.3e9, tokensPerSecond: 43.4 },
  { name: 'mlx-community/too-large', bytes: 90e9, problem: 'It needs about 99 GB.' },
];

test('the list has what fits, the most wanted first: models on the disk, and those that can be downloaded', () => {
  expect(modelChoices({ onDisk, catalogue, machineGb: 16 }).map(choiceLine)).toEqual([
    `${qwen}, 2.3 GB of weights, at most 43 tokens/s, on this machine, 400 requests in 24 h, 3 machines, 5 machines with this chip earned $1.250000 last week (median, settled jobs)`,
    'mlx-community/gemma-12b, needs 16 GiB of memory, is downloaded first, 90 requests in 24 h, 1 machine, what it earns is not known: fewer than three owners earned from it last week',
    'mlx-community/own-4bit, 2.0 GB of weights, at most 50 tokens/s, on this machine, not in the catalogue: only you can use it',
  ]);
});

test('a model that the catalogue names like a build on the disk has the demand of both', () => {
  const [first] = modelChoices({
    onDisk: [{ name: 'anyone/qwen', bytes: 1e9 }],
    catalogue: [{ id: 'qwen', repository: undefined, demand: { requests: 7, machines: 0 } }],
    machineGb: 16,
  });
  expect(first).toMatchObject({ name: 'anyone/qwen', demand: { requests: 7 } });
});

test('a build that the network wants comes first, on the disk or as a download', () => {
  const wanted = { ...catalogue[0], wantedRepository: 'mlx-community/gemma-12b-8bit' } as const;
  const [first, ...others] = modelChoices({
    onDisk,
    catalogue: [wanted as (typeof catalogue)[0], ...catalogue.slice(1)],
    machineGb: 16,
  }).map(choiceLine);
  expect(first).toBe(
    'mlx-community/gemma-12b-8bit, needs 16 GiB of memory, is downloaded first, wanted by the network on more machines, 90 requests in 24 h, 1 machine, what it earns is not known: fewer than three owners earned from it last week',
  );
  expect(others.join()).not.toMatch(/wanted|gemma-12b,/);
  const [there] = modelChoices({
    onDisk: [{ name: 'mlx-community/gemma-12b-8bit', bytes: 1e9 }],
    catalogue: [wanted as (typeof catalogue)[0]],
    machineGb: 16,
  });
  expect(there).toMatchObject({ isOnDisk: true, isWanted: true, demand: { requests: 90 } });
});

test('what machines with this chip earned is shown before what all machines did, and else nothing', () => {
  const row = { model: 'qwen', machines: 9, median_micro_usd: 7 };
  const rows = [
    { ...row, chip: null },
    { ...row, chip: 'Apple M4', median_micro_usd: 40 },
  ];
  const earned = (chip: string, model = 'qwen') => earnedFrom(rows, { model, chip });
  expect(earned('Apple M4')).toMatchObject({ medianMicroUsd: 40, isComparable: true });
  expect(earned('other')).toEqual({ medianMicroUsd: 7, machines: 9, isComparable: false });
  expect(earned('other', 'gemma')).toBeUndefined();
  const demand = { requests: 1, machines: 9, earned: earned('other') };
  expect(choiceLine({ name: 'qwen', isOnDisk: true, demand })).toMatch(
    /, 9 machines of all kinds earned \$0\.000007 last week \(median, settled jobs\)$/,
  );
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
