import { describe, expect, test } from 'vitest';
import { gates, trustFaultTexts } from '#bus-schemas';
import type { Closed } from '../guest/door.ts';
import { sentencesWithoutCase } from '../printed-sentences-under-test.ts';
import { type EngineFault, GUEST_NOTES, type GuestNote } from '../reasons.ts';
import { demandReason } from './demand-reason.ts';
import { atStart, type MachineEvent, next } from './machine-state.ts';
import { ago, reportedText, sentenceOf, span } from './sentence.ts';
import { printedState } from './service.ts';

const START = 1_000_000;
const stateAfter = (...events: MachineEvent[]) =>
  events.reduce((state, event, index) => next(state, event, START + index), atStart(START, false));
/** What the cases of this file printed. */
const printed = new Set<string>();
const told = (...events: MachineEvent[]) => {
  const state = stateAfter(...events);
  const sentence = sentenceOf(state, START + 60_000);
  printed.add(sentence);
  return [state.phase, sentence];
};

const started: MachineEvent = { t: 'worker_started' };
const serving: MachineEvent = {
  t: 'serving',
  provider: 'P',
  engine: 'cpu',
  coordinator: 'https://net',
};
const pulse = (running = 0, linkFault?: string): MachineEvent => ({
  t: 'pulse',
  running,
  models: [],
  ...(linkFault !== undefined && { linkFault }),
});
const closed = (why: Closed, running = 0): MachineEvent => ({
  t: 'pulse',
  running,
  models: [],
  closed: why,
});
const engineFault = (fault: EngineFault): MachineEvent => ({
  t: 'pulse',
  running: 0,
  models: [],
  engineFault: fault,
});
const trust = (standing: string, fault?: string): MachineEvent => ({
  t: 'trust',
  standing,
  level: 'self_signed',
  ...(fault !== undefined && { fault }),
});
const ended = (failures: number, nextStartAt: number | undefined): MachineEvent => ({
  t: 'worker_ended',
  reason: 'no memory.',
  failures,
  nextStartAt,
});
const answered: MachineEvent = {
  t: 'answered',
  build: 'b',
  finish: 'stop',
  promptTokens: 3,
  completionTokens: 4,
  ms: 500,
};

type Demanded = Extract<MachineEvent, { t: 'demand' }>['builds'][number];
const ofBuild = (changes: Partial<Demanded>): Demanded => ({
  build: 'sim',
  requests: 5,
  chosen: 0,
  ...changes,
});
const demand = (...builds: Partial<Demanded>[]): MachineEvent => ({
  t: 'demand',
  builds: builds.map(ofBuild),
});
const behind = (machines: number, term: string): Partial<Demanded> => ({
  missed: 'others_sooner',
  behind: { machines, term, ownMs: 900, bestMs: 300 },
});

describe('a machine', () => {
  test.each<[string, MachineEvent[], [string, string]]>([
    [
      'that begins',
      [started],
      ['starting', 'Starting: the models are opened, and the machine connects to the network.'],
    ],
    [
      'that is not approved yet',
      [started, { t: 'link_code', code: 'ABCD-EFGH', page: 'https://net/link' }],
      [
        'waiting_for_approval',
        'Waiting for you: sign in at https://net/link and enter ABCD-EFGH to make this machine yours.',
      ],
    ],
    ['that serves', [started, serving, pulse(2)], ['serving', 'Serving: 2 requests now.']],
    [
      'without a request',
      [started, serving, pulse()],
      ['serving', 'Ready: no request has come yet.'],
    ],
    [
      'with a last request',
      [started, serving, pulse(1), answered, pulse()],
      ['serving', 'Ready: the last request ended 60 s ago.'],
    ],
    [
      'that callers do not need',
      [started, serving, pulse(), demand({ missed: 'no_requests' })],
      ['serving', 'Ready; no request for 60 s: no caller requests sim.'],
    ],
    [
      'that is slower than others',
      [started, serving, pulse(), demand(behind(2, 'decode'))],
      ['serving', 'Ready; no request for 60 s: 2 faster machines are idle.'],
    ],
    [
      'that was chosen in the last minute',
      [started, serving, pulse(1), answered, pulse(), demand({ chosen: 1 })],
      ['serving', 'Ready: the last request ended 60 s ago.'],
    ],
    [
      'without a link',
      [started, serving, pulse(), pulse(0, 'hubs_unreachable')],
      [
        'disconnected',
        'Not connected for 60 s: no hub of the network can be reached; check the internet connection. It is tried again without end.',
      ],
    ],
    [
      'whose leaf hangs',
      [started, serving, pulse(0, 'leaf_silent')],
      [
        'disconnected',
        'Not connected for 60 s: the leaf node of this machine does not answer. It is tried again without end.',
      ],
    ],
    [
      'that a hub does not accept',
      [started, serving, pulse(0, 'no_link')],
      [
        'disconnected',
        'Not connected for 60 s: a hub is reachable but does not accept this machine. It is tried again without end.',
      ],
    ],
    [
      'outside of its hours',
      [started, serving, closed({ reason: 'schedule', until: START + 10_860_000 })],
      ['closed', 'Closed: your schedule (--schedule) excludes this hour. It opens in 3 h.'],
    ],
    [
      'whose memory is almost full',
      [started, serving, closed({ reason: 'memory_end' })],
      [
        'closed',
        'Closed: the memory of this computer is almost full, so running answers were ended and their models unloaded. It opens when other programs need less of it.',
      ],
    ],
    ...(
      [
        [
          'memory_refuse',
          'the memory of this computer is short. It opens when other programs need less of it.',
        ],
        [
          'memory_unload',
          'the memory of this computer is short, so models without requests are unloaded. It opens when other programs need less of it.',
        ],
        ['heat', 'the computer is too hot. It opens when it has cooled down.'],
        [
          'on_battery',
          'the computer runs on battery (--only-on-power). It opens when it has mains power again.',
        ],
        [
          'battery_low',
          'the charge of the battery is below your limit (--battery-floor). It opens when the computer has mains power again.',
        ],
        [
          'user_active',
          'the computer is in use (--yield-to-user). It opens when its user is away.',
        ],
        ['sleep', 'the computer goes to sleep. It opens when the computer wakes.'],
      ] as const
    ).map(([reason, text]): [string, MachineEvent[], [string, string]] => [
      `that is closed (${reason})`,
      [started, serving, closed({ reason })],
      ['closed', `Closed: ${text}`],
    ]),
    [
      'outside of its hours with a running request',
      [started, serving, closed({ reason: 'schedule' }, 1)],
      [
        'closed',
        'Closed: your schedule (--schedule) excludes this hour. 1 running request will be completed.',
      ],
    ],
    ...(
      [
        ['engine_hung', 'a step of the engine exceeded its time limit, and the engine was ended.'],
        ['engine_frozen', 'the engine did not answer, and was ended.'],
        ['engine_crashed', 'the engine ended unexpectedly.'],
        [
          'engine_out_of_memory',
          'the memory was full, so the system ended the engine. It gets a smaller share of the memory now.',
        ],
        ['engine_unreadable', 'the engine sent a message that cannot be read, and was ended.'],
      ] as const
    ).map(([fault, text]): [string, MachineEvent[], [string, string]] => [
      `with the fault ${fault}`,
      [started, serving, pulse(), engineFault(fault)],
      ['engine_down', `Not serving: ${text} It is started again.`],
    ]),
    [
      'that is being checked',
      [started, serving, trust('pending')],
      ['unverified', 'Connected: the network checks this machine before it sends requests.'],
    ],
    [
      'of an unknown release',
      [started, serving, trust('pending', 'unknown_code')],
      [
        'unverified',
        `Connected, but not verified, so no requests come: ${trustFaultTexts.unknown_code}`,
      ],
    ],
    [
      'that was caught cheating',
      [started, serving, trust('untrusted', 'overbilled')],
      [
        'untrusted',
        `Not trusted by the network, so no requests come: ${trustFaultTexts.overbilled} Only its operator can change this.`,
      ],
    ],
    [
      'whose worker ended',
      [started, serving, ended(1, START + 65_000)],
      ['restarting', 'Starting again in 5 s: no memory.'],
    ],
    [
      'that fails again and again',
      [started, ended(5, START + 360_000)],
      [
        'crash_loop',
        'Failed 5 times in a row: no memory. The next try is in 5 min. "dinf provider logs" shows more.',
      ],
    ],
    [
      'that is set up wrongly',
      [started, ended(1, undefined)],
      [
        'failed',
        'Stopped, because it cannot work as it is set up: no memory. Correct it with "dinf provider start" and other options.',
      ],
    ],
    [
      'that its owner paused',
      [started, serving, { t: 'paused' }],
      ['paused', 'Paused by you. "dinf provider resume" serves again.'],
    ],
    [
      'that its owner paused while it answers',
      [started, serving, pulse(1), { t: 'paused' }],
      [
        'paused',
        'Paused by you: 1 running request will be completed. "dinf provider resume" serves again.',
      ],
    ],
    [
      'that is stopped while it answers',
      [started, serving, pulse(3), { t: 'stop_wanted' }],
      ['stopping', 'Stopping: 3 running requests will be completed first.'],
    ],
    ['that is stopped', [started, { t: 'stop_wanted' }], ['stopping', 'Stopping.']],
    ...Object.entries(trustFaultTexts).map(
      ([fault, text]): [string, MachineEvent[], [string, string]] => [
        `that lacks trust (${fault})`,
        [started, serving, trust('lapsed', fault)],
        ['unverified', `Connected, but not verified, so no requests come: ${text}`],
      ],
    ),
  ])('%s says so, with the reason and what helps', (_what, events, expected) => {
    expect(told(...events)).toEqual(expected);
  });

  test('serves again after a failure, and keeps its count of answers', () => {
    const state = stateAfter(
      started,
      serving,
      answered,
      ended(1, START),
      started,
      serving,
      pulse(),
    );
    expect(state).toMatchObject({ phase: 'serving', reason: undefined, answers: { total: 1 } });
  });

  test('stays paused over a restart of its worker', () => {
    expect(stateAfter(started, { t: 'paused' }, ended(1, START), started, serving).phase).toBe(
      'paused',
    );
    expect(stateAfter(started, serving, { t: 'paused' }, { t: 'resumed' }).phase).toBe('serving');
  });
});

describe('the reason for no request', () => {
  const reasonOf = (...builds: Partial<Demanded>[]) => {
    const text = demandReason(builds.map(ofBuild))?.text;
    if (text !== undefined) printed.add(text);
    return text;
  };

  test.each<[string, number, string]>([
    ['load', 1, '1 machine has the model in memory already.'],
    ['load', 3, '3 machines have the model in memory already.'],
    ['queue', 1, '1 machine has less work.'],
    ['prompts', 2, '2 machines have less work.'],
    ['price', 1, '1 machine asks a lower price.'],
    ['price', 2, '2 machines ask a lower price.'],
    ['memory', 1, '1 machine has more free memory: programs on this computer wait for theirs.'],
    ['cpu', 2, '2 machines have fewer other programs running.'],
    ['heat', 1, '1 machine is cooler.'],
    ['heat', 2, '2 machines are cooler.'],
    ['power', 1, '1 machine has mains power, or no mode that saves power.'],
    ['prefill', 1, 'a faster machine is idle.'],
    ['decode', 2, '2 faster machines are idle.'],
    ['a term of a newer router', 2, '2 faster machines are idle.'],
  ])('names the difference in %s to %i machines', (term, machines, text) => {
    expect(reasonOf(behind(machines, term))).toBe(text);
  });

  test.each<[Partial<Demanded>, string]>([
    [{ missed: 'others_sooner' }, 'other machines are faster.'],
    [
      { missed: 'other_build' },
      'the network prefers another build of the model to sim, and machines with that build are idle.',
    ],
    [{ missed: 'not_drawn' }, 'machines that are as fast got the requests by chance.'],
    [
      { missed: 'newer_gate' },
      'the router names the reason "newer_gate", which this version cannot explain. Update it.',
    ],
  ])('explains %j', (changes, text) => {
    expect(reasonOf(changes)).toBe(text);
  });

  test.each(Object.entries(gates))('gives the text of the gate %s', (missed, { text }) => {
    expect(reasonOf({ missed })?.toLowerCase()).toBe(text.toLowerCase());
  });

  test('is that of the model with most requests, and a fault before missing demand', () => {
    const unused = { requests: 0, missed: 'no_requests' };
    expect(reasonOf(unused, { missed: 'price' }, { requests: 2, missed: 'busy' })).toMatch(
      /^its price is higher/,
    );
    expect(reasonOf(unused, unused)).toBe('no caller requests its models.');
    expect(reasonOf(unused, { requests: 0, missed: 'paused' })).toMatch(/^an operator/);
  });

  test('is not given from a report of more than five minutes ago', () => {
    const state = stateAfter(started, serving, pulse(), demand({ missed: 'no_requests' }));
    expect(sentenceOf(state, START + 200_000)).toMatch(/^Ready; no request for 3 min/);
    expect(sentenceOf(state, START + 400_000)).toBe('Ready: no request has come yet.');
  });
});

test('answers are counted by model', () => {
  expect(stateAfter(started, serving, answered, answered).answers.byBuild).toEqual({
    b: { total: 2, tokens: 8, ms: 1_000 },
  });
});

test('time spans have one unit', () => {
  expect([90_000, 600_000, 3 * 3_600_000, 5 * 86_400_000].map(span)).toEqual([
    '90 s',
    '10 min',
    '3 h',
    '5 days',
  ]);
  expect(ago(10)).toBe('just now');
  printed.add(ago(10));
});

test('what was reported to the operator is named by its kinds', () => {
  expect(reportedText({ thermal: 2, oom: 1 })).toBe('2 × thermal, 1 × oom');
});

const NOTES: Readonly<Record<GuestNote, string>> = {
  memory_caches: 'The memory of this computer is short, so cached conversations were removed.',
  memory_unwatched:
    'This system does not report how short its memory is, so models stay in it until it is full.',
  heat_half:
    'The computer is hot, so it accepts half as many requests at the same time, until it has cooled down.',
  heat_quarter:
    'The computer is still hot, so it accepts a quarter of its requests at the same time, until it has cooled down.',
  power_unknown:
    'This system does not report whether it runs on battery, so --only-on-power and --battery-floor have no effect.',
  user_unknown:
    'This system does not report when it was last used (loginctl, ioreg), so --yield-to-user has no effect.',
  sleep_not_prevented:
    'The computer may go to sleep while it serves: the program that keeps it awake (systemd-inhibit, caffeinate) is missing or failed. --allow-sleep removes this note.',
  disk_full:
    'The disk of this machine is full, so neither its log nor its receipts are saved: it serves, and loses the pay of its last answers if it is ended now.',
};

test.each(GUEST_NOTES)('the note %s reaches the owner with its text', (note) => {
  const state = stateAfter(started, serving, { t: 'pulse', running: 0, models: [], notes: [note] });
  const [shown] = printedState(state, [], START).notes ?? [];
  expect(shown).toEqual({ code: note, text: NOTES[note] });
  printed.add(String(shown?.text));
});

test.each(['sentence.ts', 'demand-reason.ts', '../reasons.ts'])(
  'a case of this file printed every sentence of %s',
  (file) => {
    expect(sentencesWithoutCase(new URL(file, import.meta.url), printed)).toEqual([]);
  },
);
