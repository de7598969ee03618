import { expect, test } from 'vitest';
import { chipKinds, comparableRows } from './comparable-earnings.ts';

const row = (model: string, chip: string | null, median_micro_usd: number) => ({
  model,
  chip,
  machines: 3,
  median_micro_usd,
});

test('a model that too few machines earned from is not known, and comes last', () => {
  const rows = [row('small', null, 20), row('large', null, 300), row('large', 'Apple M4 Max', 400)];
  const known = comparableRows(rows, {
    models: ['new', 'small', 'large'],
    chips: ['Apple M4 Max', 'other'],
  });
  expect(known).toMatchObject([
    {
      model: 'large',
      all: { median_micro_usd: 300 },
      byChip: [{ median_micro_usd: 400 }, undefined],
    },
    { model: 'small', all: { median_micro_usd: 20 }, byChip: [undefined, undefined] },
    { model: 'new', all: undefined, byChip: [undefined, undefined] },
  ]);
});

test('chips that are not in the table are one kind, and absent machines have none', () => {
  const machines = ['Apple M4 Max', 'AMD EPYC', null, 'Apple M4 Max', 'a toaster'];
  expect(chipKinds(machines.map((chip) => ({ chip })))).toEqual(['Apple M4 Max', 'other']);
});
