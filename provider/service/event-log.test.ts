import { expect, test } from 'vitest';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import { EventLog, lineOf } from './event-log.ts';
import { atStart, type MachineEvent, next } from './machine-state.ts';

/** What the cases of this file printed. */
const printed = new Set<string>();

const answered = {
  t: 'answered',
  build: 'ant-4bit',
  promptTokens: 12,
  completionTokens: 31,
  ms: 400,
} as const;

test.each([
  ['stop', ''],
  ['length', ''],
  ['cancelled', ', cancelled'],
  ['out_of_memory', ', ended because the memory of this computer was almost full'],
])('the line of an answer with the end %s', (finish, text) => {
  const line = lineOf({ ...answered, finish });
  printed.add(line);
  expect(line).toBe(`ant-4bit answered 31 tokens to 12 in 0.4 s (77.5 tokens/s${text})`);
});

test('an answer, a new phase, another reason to be closed and a start after a kill are events; reports are not', () => {
  const log = new EventLog();
  log.addStartedAgain(0);
  const pulse: MachineEvent = { t: 'pulse', running: 0, models: [] };
  const events: MachineEvent[] = [
    { t: 'worker_started' },
    { t: 'serving', provider: 'P', engine: 'cpu', coordinator: 'x' },
    pulse,
    pulse,
    { ...answered, finish: 'stop' },
    { ...pulse, closed: { reason: 'heat' } },
    { ...pulse, closed: { reason: 'sleep' } },
    pulse,
  ];
  let state = atStart(0, false);
  for (const event of events) {
    const before = state;
    state = next(before, event, 1);
    log.add(event, { before, after: state, now: 1 });
  }
  const texts = log.after(0).map(({ text }) => text);
  for (const text of texts) printed.add(text);
  expect(texts).toEqual([
    'Started again: the service before this one ended unexpectedly.',
    expect.stringMatching(/^Ready: /),
    expect.stringMatching(/^ant-4bit answered 31 tokens /),
    expect.stringMatching(/^Closed: the computer is too hot\./),
    expect.stringMatching(/^Closed: the computer goes to sleep\./),
    expect.stringMatching(/^Ready: /),
  ]);
});

test('a case of this file printed every sentence of event-log.ts', () => {
  expect(sentencesWithoutCase(new URL('event-log.ts', import.meta.url), printed)).toEqual([]);
});
