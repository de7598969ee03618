import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TINY_MODEL_FOLDER } from '#tiny-model';
import { type Measurement, readMeasurements, saveMeasurement } from '../engine/measured-speeds.ts';
import { EngineProcess } from '../engine/process/engine-process.ts';
import { type BenchmarkOptions, benchmarkModel } from './benchmark-model.ts';
import { benchmarkPoints } from './points.ts';
import { residentMemory } from './process-memory.ts';
import { sustainedShare } from './steadiness.ts';
import { highestTemperature } from './temperature.ts';

const BUILD = 'dinf-tiny-4bit';
const log = { info: () => {}, error: () => {} };

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-benchmark-'));
});
afterEach(() => rm(home, { recursive: true }));

const openTiny = (measured: readonly Measurement[] = []) =>
  EngineProcess.open({ models: [TINY_MODEL_FOLDER], maxConcurrency: 2, idleMs: 0, log, measured });

const measureTiny = (engine: EngineProcess, options: Partial<BenchmarkOptions> = {}) =>
  benchmarkModel(engine, {
    build: BUILD,
    version: '0.1.0',
    answerTokens: 8,
    memoryBytes: () => residentMemory(engine.pid),
    celsius: async () => 51,
    now: () => 1_000,
    ...options,
  });

test('a machine announces the speeds that were measured, for exactly these files', {
  timeout: 120_000,
}, async () => {
  await using engine = await openTiny();
  const measured = await measureTiny(engine, { steady: { parts: 2, partMs: 1 } });
  expect(measured.points.map(({ requests }) => requests)).toEqual([1, 1, 2]);
  for (const { promptTokens, prefillTps, decodeTps, memoryBytes } of measured.points) {
    expect(promptTokens).toBeGreaterThan(100);
    expect(prefillTps).toBeGreaterThan(0);
    expect(decodeTps).toBeGreaterThan(0);
    expect(memoryBytes).toBeGreaterThan(10e6);
  }
  expect(measured.steady).toMatchObject([{ celsius: 51 }, { celsius: 51 }]);

  const announced = { prefillTps: 321, decodeTps: 123 };
  await saveMeasurement(home, { ...measured, announced });
  await using serving = await openTiny(await readMeasurements(home));
  expect(serving.slots()).toMatchObject([{ build: BUILD, ...announced }]);
  const otherFiles = { ...measured, announced, digest: 'ab' };
  await using other = await openTiny([otherFiles]);
  expect(other.slots()).not.toMatchObject([announced]);
});

describe('the points', () => {
  const limits = { contextTokens: 4_096, freeTokens: 8_192, maxConcurrency: 8, answerTokens: 64 };
  const shown = (changes: Partial<typeof limits>) =>
    benchmarkPoints({ ...limits, ...changes }).map(
      ({ promptTokens, requests }) => `${requests} × ${promptTokens}`,
    );

  test('cover each prompt length that fits, and as many requests as the machine accepts', () => {
    expect(shown({})).toEqual(['1 × 128', '1 × 512', '1 × 2048', '2 × 512', '4 × 512', '8 × 512']);
  });

  test('need no more tokens than the cache has', () => {
    expect(shown({ freeTokens: 2_400 })).toEqual([
      '1 × 128',
      '1 × 512',
      '1 × 2048',
      '2 × 512',
      '4 × 512',
    ]);
  });

  test('of a model with a small context use half of it', () => {
    expect(shown({ contextTokens: 164, maxConcurrency: 1 })).toEqual(['1 × 50']);
  });
});

test('a machine that becomes slower under load announces the speed that it sustains', () => {
  const parts = (...speeds: number[]) =>
    speeds.map((tokensPerSecond, i) => ({ atSeconds: i, tokensPerSecond }));
  expect(sustainedShare(parts(100, 90, 70, 60, 50, 50, 40, 50))).toBe(0.5);
  expect(sustainedShare(parts(100, 120))).toBe(1);
  expect(sustainedShare([])).toBe(1);
});

describe('the file of the measurements', () => {
  const measurement = (build: string, engine = 'cpu', at = 0): Measurement => ({
    build,
    digest: 'ab',
    engine,
    version: '0.1.0',
    at,
    announced: { prefillTps: 1, decodeTps: 1 },
    points: [],
    steady: [],
  });

  test('has the newest of each model and engine, and sixteen at most', async () => {
    for (let i = 0; i < 20; i += 1) await saveMeasurement(home, measurement(`m${i}`));
    await saveMeasurement(home, measurement('m19', 'cpu', 7));
    await saveMeasurement(home, measurement('m19', 'mlx'));
    const kept = await readMeasurements(home);
    expect(kept).toHaveLength(16);
    expect(kept.slice(0, 3)).toMatchObject([
      { build: 'm19', engine: 'mlx' },
      { build: 'm19', engine: 'cpu', at: 7 },
      { build: 'm18' },
    ]);
  });

  test.each([
    ['missing', undefined],
    ['not JSON', '{'],
    ['of another version', '[{"build":"m"}]'],
    [
      'with a speed that no message may have',
      JSON.stringify([{ ...measurement('m'), announced: { prefillTps: 1, decodeTps: 200_000 } }]),
    ],
  ])('counts as empty if it is %s', async (_, text) => {
    if (text !== undefined) await writeFile(join(home, 'measured-speeds.json'), text);
    expect(await readMeasurements(home)).toEqual([]);
  });
});

test('the temperature is the highest of those that the system states', async () => {
  expect(await highestTemperature(join(home, 'nothing'))).toBeUndefined();
  for (const [zone, text] of Object.entries({
    0: '41000\n',
    1: '67500\n',
    2: '-274000\n',
    3: 'x',
  })) {
    await mkdir(join(home, `thermal_zone${zone}`));
    await writeFile(join(home, `thermal_zone${zone}`, 'temp'), text);
  }
  expect(await highestTemperature(home)).toBe(67.5);
});
