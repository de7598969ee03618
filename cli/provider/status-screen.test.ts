import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sentencesWithoutCase } from '#provider/printed-sentences-under-test.ts';
import { SOCKET_NAME, type State } from '#provider/service/control-api.ts';
import { atStart } from '#provider/service/machine-state.ts';
import { printedState } from '#provider/service/service.ts';
import {
  earnedRow,
  earnedText,
  idleSummary,
  reportedSummary,
  screenOf,
  stoppedSentence,
  usedMemory,
} from './status-screen.ts';

const NOW = Date.parse('2026-11-27T12:30:00Z');
const hour = (hoursAgo: number, code: string, text: string) => ({
  hour: new Date(NOW - hoursAgo * 3_600_000).toISOString(),
  code,
  text,
});

test('hours without an answer are summed up by their reasons, for the last day', () => {
  const idle_hours = [
    hour(40, 'paused', 'Paused by you.'),
    hour(3, 'no_requests', 'no caller requests its models.'),
    hour(2, 'others_sooner', 'a faster machine is idle.'),
    hour(1, 'others_sooner', '2 faster machines are idle.'),
  ];
  expect(idleSummary({ idle_hours }, NOW)).toBe(
    '3 of the last 24 h without an answer. 2 h: 2 faster machines are idle. 1 h: no caller requests its models.',
  );
  expect(idleSummary({ idle_hours: [] }, NOW)).toBeUndefined();
});

test('the used memory is that of the models that are or will be in memory', () => {
  const model = (build: string, state: string, bytes: number) => ({
    build,
    state,
    bytes,
    running: 0,
    waiting: 0,
  });
  const models = [
    model('a', 'resident', 2e9),
    model('b', 'loading', 1e9),
    model('c', 'cold', 3e9),
    model('d', 'failed', 3e9),
  ];
  expect(usedMemory({ models, memory_bytes: 4e9 })).toBe('3.0 GB of 4.0 GB for models are used');
  expect(usedMemory({ models })).toBeUndefined();
});

test('the owner sees which faults were reported to the operator, and when', () => {
  const last_at = new Date(NOW - 3 * 60_000).toISOString();
  const reported = { last_at, times: { thermal: 2, download_failed: 1 } };
  expect(reportedSummary({ reported }, NOW)).toBe(
    '2 × thermal, 1 × download_failed to the operator since the start, the last 3 min ago',
  );
  expect(reportedSummary({}, NOW)).toBeUndefined();
});

const atFirst = printedState(atStart(NOW, false), [], NOW);
const place = {
  home: '/home/ann/.dinf/provider',
  earned: earnedText({ today: 1e6, week: 2e6, month: 3e6 }),
};
const slot = { running: 1, waiting: 2, bytes: 2e9 };
const served: State = {
  ...atFirst,
  phase: 'serving',
  sentence: 'Serving: 1 request now.',
  provider: 'P',
  coordinator: 'https://net',
  engine: 'cpu',
  models: [
    { build: 'a', state: 'resident', ...slot },
    { build: 'b', state: 'loading', ...slot },
    { build: 'c', state: 'cold', ...slot },
    { build: 'd', state: 'failed', ...slot },
    { build: 'e', state: 'a newer state', running: 0, waiting: 0 },
  ],
  memory_bytes: 8e9,
  prefix_disk: { bytes: 1.5e9, written_today_bytes: 4e9, tokens_read: 12_800 },
  trust: { standing: 'lapsed', level: 'none', fault: 'no_answer' },
  link: { since: new Date(NOW - 60_000).toISOString(), fault: 'no_link' },
  answers: {
    total: 3,
    tokens: 40,
    last_at: new Date(NOW - 5_000).toISOString(),
    by_build: { a: { total: 2, tokens: 30, ms: 1_000 }, b: { total: 1, tokens: 10, ms: 1_000 } },
  },
  notes: [{ code: 'heat_half', text: 'The computer is hot.' }],
  updates: 'shown here, from the channel beta',
  update: 'Version 2.0.0 is available.',
  reported: { last_at: new Date(NOW).toISOString(), times: { oom: 1 } },
  idle_hours: [hour(1, 'no_requests', 'no caller requests its models.')],
};

const STOPPED = 'Stopped. "dinf provider start" serves in the background.';
const KILLED =
  'Stopped: the service ended unexpectedly. It is started again within about a minute, unless the computer was restarted. "dinf provider start" starts it at once.';
const AT_FIRST = `Starting: the models are opened, and the machine connects to the network.

answers    none since the start
earned     $1.000000 today, $2.000000 in 7 days, $3.000000 this month
log        /home/ann/.dinf/provider/log/provider.log`;
const SCREEN = `Serving: 1 request now.

machine    P
network    https://net, not connected for 60 s
trust      lapsed, level none (no_answer)
model      a  in memory, 2.0 GB, 1 running, 2 waiting, 2 answers with 30.0 tokens/s (cpu)
model      b  is being loaded, 2.0 GB, 1 running, 2 waiting, 1 answer with 10.0 tokens/s (cpu)
model      c  on the disk, 2.0 GB, 1 running, 2 waiting (cpu)
model      d  cannot be loaded, 2.0 GB, 1 running, 2 waiting (cpu)
model      e  a newer state, 0 running, 0 waiting (cpu)
memory     4.0 GB of 8.0 GB for models are used
prefixes   1.5 GB on the disk, 12800 tokens read since the start, up to 4.0 GB written today
answers    3 with 40 tokens since the start, the last 5 s ago
note       The computer is hot.
updates    newer versions are shown here, from the channel beta
update     Version 2.0.0 is available.
reported   1 × oom to the operator since the start, the last just now
idle       1 of the last 24 h without an answer. 1 h: no caller requests its models.
earned     $1.000000 today, $2.000000 in 7 days, $3.000000 this month
log        /home/ann/.dinf/provider/log/provider.log`;

test('the screen begins with the sentence, and has a row for each part that is known', () => {
  expect(screenOf(served, place, NOW)).toBe(SCREEN);
  expect(screenOf(atFirst, place, NOW)).toBe(AT_FIRST);
  const connected = { ...served, link: { since: new Date(NOW).toISOString() } };
  expect(screenOf(connected, place, NOW)).toContain(
    '\nnetwork    https://net, connected for 0 s\n',
  );
  expect(
    screenOf({ ...served, trust: { standing: 'verified', level: 'hardware' } }, place, NOW),
  ).toContain('\ntrust      verified, level hardware\n');
});

test('a service that was killed is named, because it is started again', async () => {
  const home = await mkdtemp(join(tmpdir(), 'dinf-status-'));
  expect(stoppedSentence(home)).toBe(STOPPED);
  await writeFile(join(home, SOCKET_NAME), '');
  expect(stoppedSentence(home)).toBe(KILLED);
  expect(await earnedRow(home)).toMatch(/^not known: \S/);
  await rm(home, { recursive: true });
});

test('the screens above have every sentence of the source', () => {
  const printed = [SCREEN, AT_FIRST, STOPPED, KILLED, 'not known: no enrolment'];
  expect(sentencesWithoutCase(new URL('status-screen.ts', import.meta.url), printed)).toEqual([]);
});
