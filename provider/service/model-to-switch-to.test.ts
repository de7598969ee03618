import { expect, test } from 'vitest';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import { atStart, type MachineState } from './machine-state.ts';
import { modelsWithFirst, switchModelTo } from './model-to-switch-to.ts';

/** Why models could not be loaded in the cases of this file. */
const printed = new Set<string>();

const model = { build: 'ant', state: 'cold', running: 0, waiting: 0 } as const;
const serving: MachineState = {
  ...atStart(0, false),
  provider: 'P',
  engine: 'cpu',
  memoryBytes: 1,
  models: [model],
};

/** Lets an owner switch to a model, and returns the outcome and the orders to the worker. */
async function switched(state: MachineState, name: string) {
  const orders: string[] = [];
  const outcome = await switchModelTo(
    {
      state,
      add: async (added) => {
        orders.push(`add ${added}`);
        return { build: 'bee' };
      },
      switchTo: (build) => void orders.push(`switch ${build}`),
    },
    name,
  );
  if ('fault' in outcome) printed.add(outcome.fault);
  return { outcome, orders };
}

test('a model that is served is loaded, and another one is added first', async () => {
  expect((await switched(serving, 'org/ant')).orders).toEqual(['switch ant']);
  expect((await switched(serving, 'org/bee')).orders).toEqual(['add org/bee', 'switch bee']);
});

test('a machine that does not serve, or whose engine chooses by itself, gives that as the reason', async () => {
  expect(await switched(atStart(0, false), 'ant')).toEqual({
    outcome: { fault: 'The machine does not serve at present.' },
    orders: [],
  });
  const { memoryBytes: _, ...upstream } = { ...serving, engine: 'upstream' };
  expect(await switched({ ...upstream, memoryBytes: undefined }, 'ant')).toEqual({
    outcome: {
      fault: 'The engine upstream decides by itself which of its models are in memory.',
    },
    orders: [],
  });
});

test('the model that was chosen comes first at later starts, once', () => {
  expect(modelsWithFirst(['org/ant', 'org/bee'], 'bee')).toEqual(['org/bee', 'org/ant']);
  expect(modelsWithFirst(['org/ant'], 'org/cow')).toEqual(['org/cow', 'org/ant']);
});

test('a case of this file printed every sentence of model-to-switch-to.ts', () => {
  const source = new URL('model-to-switch-to.ts', import.meta.url);
  expect(sentencesWithoutCase(source, printed)).toEqual([]);
});
