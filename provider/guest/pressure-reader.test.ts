import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PRESSURE_LEVELS } from './memory-pressure.ts';
import { linuxReader, macLevel } from './pressure-reader.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dinf-pressure-'));
  await mkdir(join(folder, 'proc/self'), { recursive: true });
  await mkdir(join(folder, 'proc/pressure'));
  await mkdir(join(folder, 'groups/dinf.service'), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

/** As Linux writes it; the totals are in microseconds. */
const pressure = (someMs: number, fullMs: number) =>
  `some avg10=0.00 avg60=0.00 avg300=0.00 total=${someMs * 1_000}\n` +
  `full avg10=0.00 avg60=0.00 avg300=0.00 total=${fullMs * 1_000}\n`;
const write = (file: string, text: string) => writeFile(join(folder, file), text);

/** A reader whose clock advances by two seconds with each call. */
function everyTwoSeconds() {
  let now = 0;
  const read = linuxReader({
    proc: join(folder, 'proc'),
    groups: join(folder, 'groups'),
    clock: () => now,
  });
  return () => {
    now += 2_000;
    return read();
  };
}

describe('the pressure on Linux', () => {
  test('is the share of the time since the last reading in which processes waited', async () => {
    const read = everyTwoSeconds();
    await write('proc/pressure/memory', pressure(50_000, 20_000));
    expect(await read()).toBe('normal');
    await write('proc/pressure/memory', pressure(50_199, 20_000));
    expect(await read()).toBe('normal');
    await write('proc/pressure/memory', pressure(50_400, 20_100));
    expect(await read()).toBe('high');
    await write('proc/pressure/memory', pressure(50_800, 20_400));
    expect(await read()).toBe('critical');
    expect(await read()).toBe('normal');
  });

  test('is that of the control group if it is higher than that of the system', async () => {
    const read = everyTwoSeconds();
    await write('proc/self/cgroup', '0::/dinf.service\n');
    await write('proc/pressure/memory', pressure(0, 0));
    await write('groups/dinf.service/memory.pressure', pressure(0, 0));
    await write('groups/dinf.service/memory.events', 'low 0\nhigh 4\nmax 9\noom 1\noom_kill 0\n');
    expect(await read()).toBe('normal');
    await write('groups/dinf.service/memory.pressure', pressure(500, 0));
    expect(await read()).toBe('high');
    await write('groups/dinf.service/memory.events', 'low 0\nhigh 5\nmax 12\noom 1\noom_kill 0\n');
    expect(await read()).toBe('normal');
    await write('groups/dinf.service/memory.events', 'low 0\nhigh 5\nmax 12\noom 2\noom_kill 0\n');
    expect(await read()).toBe('critical');
  });

  test('is unknown to a kernel without these counters', async () => {
    expect(await everyTwoSeconds()()).toBeUndefined();
  });

  test.skipIf(!existsSync('/proc/pressure/memory'))('is read from this kernel', async () => {
    const read = linuxReader();
    expect(await read()).toBe('normal');
    expect(PRESSURE_LEVELS).toContain(await read());
  });
});

test.each([
  ['60%', 'normal'],
  ['15%', 'normal'],
  ['14%', 'high'],
  ['4%', 'critical'],
])('macOS with %s of its memory free has %s pressure', (free, level) => {
  const printed = `The system has 17179869184 (1048576 pages with a page size of 16384).\nSystem-wide memory free percentage: ${free}\n`;
  expect(macLevel(printed)).toBe(level);
});

test('an output of macOS that cannot be read is no pressure', () => {
  expect(macLevel('usage: memory_pressure')).toBeUndefined();
  expect(macLevel(undefined)).toBeUndefined();
});
