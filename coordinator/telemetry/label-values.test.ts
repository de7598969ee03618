import { Counter, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { LabelValues } from './label-values.ts';

test('a metric has at most as many series as its label may have values, and counts all others together', async () => {
  const models = new LabelValues(3);
  const registry = new Registry();
  const jobs = new Counter({
    name: 'jobs',
    help: 'Jobs',
    labelNames: ['model'],
    registers: [registry],
  });
  for (let model = 0; model < 100; model += 1) jobs.inc({ model: models.of(`model-${model}`) });
  jobs.inc({ model: models.of('model-1') });
  const { values } = await jobs.get();
  expect(values.map(({ labels, value }) => [labels.model, value])).toEqual([
    ['model-0', 1],
    ['model-1', 2],
    ['model-2', 1],
    ['other', 97],
  ]);
});
