import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { setting } from '#bus-schemas/settings/settings.ts';
import { drawHistory, loadName } from './chart.ts';
import { type BenchEntry, type BenchRun, parseEntry } from './entry.ts';
import { FOLDER, historyFiles, readEntries } from './page.ts';

const same = (value: number) => ({ median: value, min: value, max: value });
const run = (processorMs: number, changes: Partial<BenchRun> = {}): BenchRun => ({
  server: 'd-inference',
  stream: false,
  concurrency: 1,
  tokens: 8,
  requests: 300,
  rounds: 7,
  failed: 0,
  processorMsPerRequest: same(processorMs),
  requestsPerSecond: same(100),
  medianMs: same(2),
  p99Ms: same(4),
  firstByteMs: same(2),
  ...changes,
});
const entry = (processor: string, ...runs: BenchRun[]): BenchEntry => ({
  at: '2026-11-27T14:00:00.000Z',
  commit: '0123456789abcdef0123456789abcdef01234567',
  hasOtherChanges: false,
  machine: { processor, cores: 2, memoryGb: 8, loadBefore: [0.1, 0.2] },
  versions: { dInference: '0.1.0', node: 'v24.0.0' },
  runs,
});
const circles = (svg: string) =>
  [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => ({
    x: Number(x),
    y: Number(y),
  }));

test('docs/bench shows exactly the stored results (DINF_WRITE_API=1 writes page and drawing)', () => {
  const files = historyFiles(readEntries());
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    const file = join(FOLDER, name);
    if (setting('DINF_WRITE_API')) writeFileSync(file, text);
    expect(readFileSync(file, 'utf8')).toBe(text);
  }
});

test('the drawing of docs/bench has a point for every kind of load of every stored result', () => {
  const drawn = readEntries().flatMap(({ runs }) =>
    runs.filter(({ server }) => server === 'd-inference'),
  );
  const svg = readFileSync(join(FOLDER, 'history.svg'), 'utf8');
  expect(circles(svg)).toHaveLength(drawn.length);
  for (const one of drawn)
    expect(svg).toContain(`${loadName(one)}: ${one.processorMsPerRequest.median} ms`);
});

describe('the drawing', () => {
  test('places points in proportion to the processor time, from left to right', () => {
    const [one, two, four] = circles(
      drawHistory([entry('A', run(1)), entry('A', run(2)), entry('A', run(4))]),
    );
    expect(one?.x).toBeLessThan(two?.x ?? 0);
    expect(two?.x).toBeLessThan(four?.x ?? 0);
    const [first, second] = [(one?.y ?? 0) - (two?.y ?? 0), (two?.y ?? 0) - (four?.y ?? 0)];
    expect(second / first).toBeCloseTo(2, 1);
  });

  test('joins results of one machine, and no results of different machines', () => {
    expect(drawHistory([entry('A', run(1)), entry('A', run(2))])).toContain('<polyline');
    expect(drawHistory([entry('A', run(1)), entry('B', run(2))])).not.toContain('<polyline');
  });

  test('leaves out the servers that are only compared', () => {
    expect(circles(drawHistory([entry('A', run(1), run(9, { server: 'direct' }))]))).toHaveLength(
      1,
    );
  });
});

test('a stored result of another form is refused', () => {
  const { commit: _, ...incomplete } = entry('A', run(1));
  expect(() => parseEntry(JSON.stringify(incomplete))).toThrow();
  expect(parseEntry(JSON.stringify(entry('A', run(1)))).runs).toHaveLength(1);
});
