import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import { type Hour, IdleLog, idleHours, idleReason, withMinute } from './idle-hours.ts';
import { atStart, type MachineState } from './machine-state.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const START = Date.parse('2026-11-27T10:00:00Z');
const slow = { code: 'others_sooner', text: '2 faster machines are idle.' };
const quiet = { code: 'no_requests', text: 'no caller requests its models.' };
/** The reasons that the cases of this file gave. */
const printed = new Set<string>();
const idle = (reason: typeof slow | undefined) => ({ answered: false, reason });

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dinf-idle-'));
});
afterAll(() => rm(home, { recursive: true }));

const serving = (changes: Partial<MachineState>): MachineState => ({
  ...atStart(START, false),
  phase: 'serving',
  ...changes,
});

test('an hour has the reason of most of its minutes', () => {
  let hours: readonly Hour[] = [];
  for (const [minute, reason] of [quiet, slow, slow].entries())
    hours = withMinute(hours, idle(reason), START + minute * MINUTE_MS);
  expect(idleHours(hours, START + HOUR_MS)).toEqual([{ start: START, ...slow }]);
});

test('an hour with an answer needs no reason', () => {
  let hours = withMinute([], idle(slow), START);
  hours = withMinute(hours, { answered: true, reason: undefined }, START + MINUTE_MS);
  hours = withMinute(hours, idle(slow), START + 2 * MINUTE_MS);
  expect(idleHours(hours, START + HOUR_MS)).toEqual([]);
});

test('an hour that has not ended counts as idle in no list', () => {
  const hours = withMinute([], idle(slow), START);
  expect(idleHours(hours, START + HOUR_MS - 1)).toEqual([]);
});

test('hours in which the service did not run have that reason', () => {
  let hours = withMinute([], idle(slow), START);
  hours = withMinute(hours, idle(quiet), START + 3 * HOUR_MS);
  const missed = {
    code: 'not_running',
    text: 'the service did not run, or the computer slept.',
  };
  const shown = idleHours(hours, START + 4 * HOUR_MS);
  expect(shown).toMatchObject([slow, missed, missed, quiet]);
  for (const { text } of shown) printed.add(text);
});

test('14 days are kept, also after a long absence, and 8 reasons for each hour', () => {
  let hours = withMinute([], idle(slow), START);
  hours = withMinute(hours, idle(slow), START + 1_000 * HOUR_MS);
  expect(hours).toHaveLength(14 * 24);
  expect(hours.at(-1)?.start).toBe(START + 1_000 * HOUR_MS);
  for (let n = 0; n < 20; n += 1)
    hours = withMinute(
      hours,
      idle({ code: `r${n}`, text: 'x'.repeat(1_000) }),
      START + 1_000 * HOUR_MS,
    );
  expect(hours.at(-1)?.reasons).toHaveLength(8);
  expect(hours.at(-1)?.reasons[7]?.text).toHaveLength(200);
});

test('the reason is that of the phase, or that of the network, or that it has sent none', () => {
  const paused = idleReason(serving({ phase: 'paused' }), START);
  expect(paused).toEqual({
    code: 'paused',
    text: 'Paused by you. "dinf provider resume" serves again.',
  });
  const unknown = idleReason(serving({}), START);
  printed.add(unknown?.text ?? '');
  expect(unknown).toEqual({
    code: 'no_report',
    text: 'the network has not reported why no request came.',
  });
  const builds = [{ build: 'sim', requests: 4, chosen: 0, missed: 'no_requests' }];
  expect(idleReason(serving({ demand: { at: START, builds } }), START)).toEqual({
    code: 'no_requests',
    text: 'no caller requests sim.',
  });
  expect(idleReason(serving({ running: 1 }), START)).toBeUndefined();
});

test('the hours outlive the service, and a file that cannot be read begins anew', async () => {
  const file = join(home, 'idle-hours.json');
  const faults: unknown[] = [];
  const options = {
    file,
    state: () => serving({ phase: 'paused' }),
    onFault: (error: unknown) => void faults.push(error),
  };
  {
    await using log = await IdleLog.open(options);
    log.note(START);
  }
  {
    await using log = await IdleLog.open(options);
    expect(idleHours(log.hours, START + HOUR_MS)).toMatchObject([{ start: START, code: 'paused' }]);
  }
  expect(faults).toEqual([]);
  await writeFile(file, '[{"start"');
  await using log = await IdleLog.open(options);
  expect(log.hours).toEqual([]);
  expect(faults).toHaveLength(1);
});

test('a case of this file printed every sentence of idle-hours.ts', () => {
  expect(sentencesWithoutCase(new URL('idle-hours.ts', import.meta.url), printed)).toEqual([]);
});
