import { expect, test } from 'vitest';
import type { Conditions, ThermalState } from '#bus-schemas';
import { createSimulatedEngine } from '#simulator';
import { closedTexts, noteTexts } from '../reasons.ts';
import { ComputerWatch } from './computer-watch.ts';
import { Door } from './door.ts';
import { COOL_MS, SLOW_MS } from './heat.ts';
import { HeatGuard } from './heat-guard.ts';

test('a machine that becomes hot accepts fewer requests, then none, and says so; when it is cool it accepts all', async () => {
  let thermal: ThermalState | undefined = 'nominal';
  let now = 0;
  let conditions: Conditions = {};
  const shares: number[] = [];
  const noted: string[] = [];
  const draining: (string | undefined)[] = [];
  const heat = new HeatGuard({
    setStreamShare: (share) => void shares.push(share),
    note: (event) => void noted.push(event),
    log: { info: () => {}, warn: () => {} },
  });
  const door = new Door({
    inputs: [heat],
    setDraining: (isDraining, reason) => void draining.push(isDraining ? reason : undefined),
  });
  using watch = new ComputerWatch({
    readThermal: async () => thermal,
    readFreeMemory: async () => 8e9,
    power: () => undefined,
    pressure: () => 'normal',
    heat,
    engine: { slots: () => [] },
    setConditions: (read) => {
      conditions = read;
    },
  });
  const after = async (ms: number, state: ThermalState | undefined) => {
    thermal = state;
    now += ms;
    await watch.look(now);
    door.tick(now);
    return [...door.notes.map((note) => noteTexts[note])].concat(
      door.closed === undefined ? [] : closedTexts[door.closed.reason],
    );
  };
  expect(await after(0, 'nominal')).toEqual([]);
  expect(conditions).toEqual({ thermal: 'nominal', freeMemoryMb: 8_000, memoryPressure: 0 });
  expect(await after(5_000, 'serious')).toEqual([
    'The computer is hot, so it accepts half as many requests at the same time, until it has cooled down.',
  ]);
  expect(await after(SLOW_MS, 'serious')).toEqual([
    'The computer is still hot, so it accepts a quarter of its requests at the same time, until it has cooled down.',
  ]);
  expect(await after(5_000, 'critical')).toEqual([
    'the computer is too hot. It opens when it has cooled down.',
  ]);
  expect(conditions.thermal).toBe('critical');
  // The system reports no temperature any more: the machine recovers as if it were cool.
  expect(await after(5_000, undefined)).toHaveLength(1);
  for (let step = 0; step < 3; step += 1) await after(COOL_MS, undefined);
  expect(conditions.thermal).toBeUndefined();
  expect(shares).toEqual([0.5, 0.25, 0.25, 0.25, 0.5, 1]);
  expect(draining).toEqual(['heat', undefined]);
  expect(noted).toEqual(['thermal', 'thermal', 'thermal']);
});

test('the memory of models that can make room for another one counts as free', async () => {
  let conditions: Conditions = {};
  await using engine = createSimulatedEngine({ chip: 'm4-max' });
  const [first, second] = engine.slots();
  if (first === undefined || second === undefined) throw new Error('two models are needed');
  using watch = new ComputerWatch({
    readThermal: async () => undefined,
    readFreeMemory: async () => 1e9,
    power: () => undefined,
    pressure: () => undefined,
    heat: { look: () => undefined },
    engine: {
      slots: () => [
        { ...first, state: 'resident', memoryMb: 5_000 },
        { ...second, state: 'cold', memoryMb: 9_000 },
      ],
    },
    setConditions: (read) => {
      conditions = read;
    },
  });
  await watch.look(0);
  expect(conditions).toMatchObject({ freeMemoryMb: 6_000 });
});
