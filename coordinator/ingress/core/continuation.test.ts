import { describe, expect, test } from 'vitest';
import type { AttemptFailure } from '#bus-schemas';
import { wakeAt } from './job.ts';
import { MAX_ATTEMPTS } from './job-attempts.ts';
import { candidate, Machine, provider, usage } from './job-under-test.ts';

const build = candidate('B').build;
const content = (attempt: number, movable = true) =>
  ({ type: 'content', attempt, pieces: [], tokens: 2, movable }) as const;
const failed = (attempt: number, failure: Exclude<AttemptFailure, 'refused'>) =>
  ({ type: 'attempt_failed', attempt, failure }) as const;
const reserved = (letter: string) =>
  ({ type: 'reserved', candidates: [candidate(letter)] }) as const;
const none = { type: 'routing_refused', code: 'no_provider', retryAfterMs: 1_000 } as const;

function answering(): Machine {
  const job = new Machine().serving('B');
  job.happen(content(1));
  return job;
}

describe('a streamed answer whose machine fails', () => {
  test('continues on another machine with the same build', () => {
    const job = answering();
    expect(job.happen(failed(1, 'disconnected'))).toMatchObject([
      { do: 'cancel' },
      { do: 'report_attempt', failure: 'disconnected' },
      { do: 'reserve', exclude: [provider('B')], build },
    ]);
    expect(job.happen(reserved('C'))).toMatchObject([{ do: 'dispatch', attempt: { number: 2 } }]);
    job.happen(content(2));
    expect(job.happen({ type: 'end', attempt: 2, finish: 'stop', usage })).toMatchObject([
      { do: 'finish' },
      { do: 'ended', result: 'completed', served: { number: 2 } },
    ]);
    expect(job.state.deliveredTokens).toBe(4);
    expect(job.all('discard')).toEqual([]);
  });

  test('is cut if routing has no other machine, and the first one is paid', () => {
    const job = answering();
    job.happen(failed(1, 'disconnected'));
    expect(job.happen(none)).toMatchObject([
      { do: 'cut', code: 'stream_cut' },
      { do: 'ended', result: 'cut_short', served: { number: 1 } },
    ]);
  });

  test('goes to a third machine if the second one refuses or does not begin', () => {
    const job = answering();
    job.happen(failed(1, 'disconnected'));
    job.happen(reserved('C'));
    job.happen({ type: 'refused', attempt: 2, reason: 'queue_full', retryAfterMs: 0 });
    job.happen(reserved('D'));
    expect(wakeAt(job.state)).toBe(10_000);
    expect(job.happen({ type: 'timer' }, 10_000).at(-1)).toEqual({
      do: 'reserve',
      exclude: [provider('B'), provider('C'), provider('D')],
      build,
    });
    expect(job.happen(none).at(-1)).toMatchObject({ result: 'cut_short', served: { number: 1 } });
  });

  test('is tried by a bounded number of machines', () => {
    const job = answering();
    for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt += 1) {
      job.happen(failed(attempt, 'disconnected'));
      job.happen(reserved('C'));
      job.happen(content(attempt + 1));
    }
    expect(job.happen(failed(MAX_ATTEMPTS, 'disconnected'))).toContainEqual(
      expect.objectContaining({ do: 'cut' }),
    );
  });

  test.each<[string, (job: Machine) => unknown]>([
    ['its tokens are not known', (job) => job.happen(content(1, false))],
    [
      'the time for the job is over',
      (job) => {
        job.now = job.state.endBy;
      },
    ],
  ])('is cut if %s', (_why, make) => {
    const job = answering();
    make(job);
    expect(job.happen(failed(1, 'disconnected'))).toContainEqual(
      expect.objectContaining({ do: 'cut' }),
    );
  });

  test('is cut if the machine cheated, because its tokens may be made up', () => {
    expect(answering().happen(failed(1, 'protocol_violation'))).toContainEqual({
      do: 'cut',
      code: 'stream_cut',
    });
  });

  test('is cut if the request itself is the cause', () => {
    const end = { type: 'end', attempt: 1, finish: 'error', about: 'schema', usage } as const;
    expect(answering().happen(end).at(-1)).toMatchObject({ result: 'cut_short' });
  });

  test('is charged to the client that leaves meanwhile, after the reply of routing', () => {
    const job = answering();
    job.happen(failed(1, 'disconnected'));
    expect(job.happen({ type: 'client_gone' })).toEqual([]);
    expect(job.happen(reserved('C'))).toMatchObject([
      { do: 'ended', result: 'client_gone', served: { number: 1 } },
    ]);
  });

  test('is charged for the first machine if the client leaves before the second one wrote', () => {
    const job = answering();
    job.happen(failed(1, 'disconnected'));
    job.happen(reserved('C'));
    job.happen({ type: 'client_gone' });
    expect(job.happen({ type: 'end', attempt: 2, finish: 'cancelled', usage })).toEqual([
      { do: 'ended', result: 'client_gone', served: expect.objectContaining({ number: 1 }) },
    ]);
  });

  test('ends with the reason if the ingress stops meanwhile', () => {
    const job = answering();
    job.happen(failed(1, 'disconnected'));
    expect(job.happen({ type: 'ingress_stops' })).toEqual([{ do: 'cut', code: 'draining' }]);
    expect(job.happen(none)).toMatchObject([{ do: 'ended', result: 'client_gone' }]);
  });
});

describe('a job whose machine is silent before it answers', () => {
  const silent = { type: 'silent', attempt: 1 } as const;

  test.each([true, false])(
    'begins on another machine, once routing has found one (streamed: %s)',
    (streamed) => {
      const job = new Machine(streamed).serving('B');
      expect(job.happen(silent, 3_000)).toEqual([{ do: 'reserve', exclude: [provider('B')] }]);
      expect(job.happen(reserved('C'))).toMatchObject([
        { do: 'cancel', attempt: { number: 1 } },
        { do: 'report_attempt', failure: 'stalled', next: provider('C') },
        { do: 'dispatch', attempt: { number: 2 } },
      ]);
      job.happen(content(2));
      const end = { type: 'end', attempt: 2, finish: 'stop', usage } as const;
      expect(job.happen(end).at(-1)).toMatchObject({ do: 'ended', result: 'completed' });
    },
  );

  test('drops what an answer in one piece had until then', () => {
    const job = new Machine(false).serving('B');
    job.happen(content(1));
    job.happen(silent, 3_000);
    expect(job.happen(reserved('C'))).toMatchObject([
      { do: 'cancel' },
      { do: 'discard' },
      { do: 'report_attempt' },
      { do: 'dispatch', attempt: { number: 2 } },
    ]);
  });

  test('waits for the search if the machine fails meanwhile', () => {
    const job = new Machine().serving('B', 'C');
    job.happen(silent, 3_000);
    expect(job.happen(failed(1, 'disconnected'))).toMatchObject([
      { do: 'cancel' },
      { do: 'report_attempt' },
    ]);
    expect(job.happen(reserved('D')).at(-1)).toMatchObject({ do: 'dispatch' });
  });

  test('stays there if no time is left for another machine', () => {
    const job = new Machine().serving('B');
    job.happen(silent, 3_000);
    expect(job.happen(reserved('C'), 6_000)).toEqual([]);
    expect(job.state.attempt?.number).toBe(1);
    const late = new Machine(false).serving('B');
    late.happen(content(1));
    expect(late.happen(silent, 9_000)).toEqual([]);
  });
});

describe('a job whose only machine is late with the first content', () => {
  const timer = { type: 'timer' } as const;
  const overdue = () => {
    const job = new Machine().serving('B');
    expect(wakeAt(job.state)).toBe(2_000);
    expect(job.happen(timer, 2_000)).toEqual([{ do: 'reserve', exclude: [provider('B')] }]);
    return job;
  };

  test('begins on another machine, once routing has found one', () => {
    const job = overdue();
    expect(wakeAt(job.state)).toBe(9_000);
    expect(job.happen(reserved('C'), 500)).toMatchObject([
      { do: 'cancel', attempt: { number: 1 } },
      { do: 'report_attempt', failure: 'first_content_late', next: provider('C') },
      { do: 'dispatch', attempt: { number: 2 } },
    ]);
  });

  test('stays there if its answer begins first', () => {
    const job = overdue();
    job.happen(content(1));
    expect(job.happen(reserved('C'))).toEqual([]);
    expect(job.state.attempt?.number).toBe(1);
  });

  test('stays there while no machine is free, and asks again after a while', () => {
    const job = overdue();
    expect(job.happen(none)).toEqual([]);
    expect(wakeAt(job.state)).toBe(4_000);
    expect(job.happen(timer, 2_000)).toMatchObject([{ do: 'reserve' }]);
    expect(job.happen(timer, 5_000)).toMatchObject([
      { do: 'cancel' },
      { do: 'report_attempt', failure: 'first_content_late' },
      { do: 'reject', code: 'first_content_timeout' },
    ]);
  });

  test('stays there while many answers are late', () => {
    const job = new Machine().serving('B');
    expect(job.happen({ ...timer, isPatient: true }, 2_000)).toEqual([]);
  });
});

describe('a streamed answer whose machine is silent', () => {
  test('continues on another machine, once routing has found one', () => {
    const job = answering();
    expect(job.happen({ type: 'silent', attempt: 1 })).toEqual([
      { do: 'reserve', exclude: [provider('B')], build },
    ]);
    expect(job.happen({ type: 'silent', attempt: 1 })).toEqual([]);
    expect(job.happen(reserved('C'))).toMatchObject([
      { do: 'cancel', attempt: { number: 1 } },
      { do: 'report_attempt', failure: 'stalled', next: provider('C') },
      { do: 'dispatch', attempt: { number: 2 } },
    ]);
  });

  test('stays where it is if the machine is heard again, or no other one is free', () => {
    const heard = answering();
    heard.happen({ type: 'silent', attempt: 1 });
    heard.happen({ type: 'heard', attempt: 1 });
    expect(heard.happen(reserved('C'))).toEqual([]);
    const alone = answering();
    alone.happen({ type: 'silent', attempt: 1 });
    expect(alone.happen(none)).toEqual([]);
    for (const job of [heard, alone]) {
      expect(job.happen(content(1))).toMatchObject([{ do: 'write' }]);
      expect(job.state.attempt?.number).toBe(1);
    }
  });

  test('is not looked for again at once', () => {
    const job = answering();
    job.happen({ type: 'silent', attempt: 1 });
    job.happen(none);
    expect(job.happen({ type: 'silent', attempt: 1 }, 1_999)).toEqual([]);
    expect(job.happen({ type: 'silent', attempt: 1 }, 1)).toMatchObject([{ do: 'reserve' }]);
  });

  test('takes the machine that was looked for if its own one fails meanwhile', () => {
    const job = answering();
    job.happen({ type: 'silent', attempt: 1 });
    job.happen(failed(1, 'disconnected'));
    expect(job.all('reserve')).toHaveLength(2);
    expect(job.happen(reserved('C'))).toMatchObject([{ do: 'dispatch' }]);
  });

  test('ends after the reply of routing, so that no slot stays reserved', () => {
    const job = answering();
    job.happen({ type: 'silent', attempt: 1 });
    expect(job.happen({ type: 'end', attempt: 1, finish: 'stop', usage })).toMatchObject([
      { do: 'finish' },
    ]);
    expect(job.happen(reserved('C'))).toMatchObject([{ do: 'ended', result: 'completed' }]);
  });

  test('charges a client that leaves during the search, whichever reply comes first', () => {
    const job = answering();
    job.happen({ type: 'silent', attempt: 1 });
    job.happen({ type: 'client_gone' });
    job.happen(reserved('C'));
    expect(job.happen({ type: 'end', attempt: 1, finish: 'cancelled', usage })).toMatchObject([
      { do: 'ended', result: 'client_gone', served: { number: 1 } },
    ]);
  });
});
