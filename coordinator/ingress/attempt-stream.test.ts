import { describe, expect, test } from 'vitest';
import { SUITE_ID } from '#bus-schemas';
import { MemoryBudget } from '#http-api/memory-budget.ts';
import { AnswerSoFar } from './answer-so-far.ts';
import type { AttemptSealing } from './attempt-sealing.ts';
import { AttemptStream, type AttemptStreamOptions } from './attempt-stream.ts';
import { boundsFor } from './core/answer-bounds.ts';
import type { JobEvent } from './core/job-state.ts';
import type { FlowSender } from './flow-sender.ts';

const salt = new Uint8Array(32);
const candidate = {
  provider: `A${'B'.repeat(55)}`,
  build: 'sim-q4',
  suite: SUITE_ID,
  sealingKey: new Uint8Array(32),
  expectedFirstContentMs: 10,
};

/** A stream whose frames are not sealed: each is one text of the tokens that it names. */
function stream({ before, ids = [] }: { before?: AttemptStreamOptions['before']; ids?: number[] }) {
  const soFar = new AnswerSoFar(new MemoryBudget(10_000));
  soFar.begin(salt);
  if (ids.length > 0) soFar.add([{ k: 'text', text: 'before', tokens: 1, ids }]);
  const events: JobEvent[] = [];
  const resends: boolean[] = [];
  const sealing: AttemptSealing = {
    enc: new Uint8Array(32),
    parts: [new Uint8Array(1)],
    receiptSalt: salt,
    outlined: false,
    bounds: boundsFor(undefined),
    read: ({ sealed }) => {
      const tokens = sealed[0] as number;
      const text = 'word '.repeat(tokens);
      const piece = { k: 'text' as const, text, tokens, ids: [1] };
      return { pieces: [piece], tokens, bytes: text.length, size: text.length, end: undefined };
    },
    readDetail: () => undefined,
  };
  const attempt = new AttemptStream(
    {
      job: {
        id: 'job_0123456789abcdefghijkl',
        ingress: 'in_000000000000',
        streamed: true,
        promptTokens: 1,
        maxOutputTokens: 10,
        encoding: undefined,
        groups: false,
      },
      attempt: { number: 2, candidate, contentBy: 0, overdueAt: 0, startBy: 0, sealBy: undefined },
      sealing,
      flow: { report: (_, { resend }) => void resends.push(resend) } as Pick<
        FlowSender,
        'report'
      > as FlowSender,
      publish: () => undefined,
      transcript: undefined,
      soFar,
      before,
      on: (event) => events.push(event),
    },
    0,
  );
  let seq = 0;
  const frame = (tokens: number, now = 0) =>
    attempt.take({ t: 'frame', attempt: 2, seq: seq++, sealed: Uint8Array.of(tokens) }, now);
  const tickUntil = (until: number, from = 0) => {
    for (let now = from; now <= until; now += 25) attempt.tick(now);
  };
  return { attempt, events, resends, frame, tickUntil };
}

describe('the limit of an answer', () => {
  const claimed = { claimedTokens: 30, bytes: 100, tokens: 30 };

  test('holds for all its machines together', () => {
    const { frame, events } = stream({
      before: { ...claimed, claimedTokens: 6, tokens: 6 },
      ids: [1, 2, 3, 4, 5, 6],
    });
    frame(4);
    frame(1);
    expect(events).toMatchObject([
      { type: 'content', tokens: 4, movable: true },
      { type: 'attempt_failed', failure: 'protocol_violation' },
    ]);
  });

  test('is not used up by tokens that an earlier machine made up', () => {
    const { frame, events } = stream({ before: claimed, ids: [1, 2] });
    frame(5);
    expect(events).toMatchObject([{ type: 'content', tokens: 5 }]);
  });
});

describe('a machine', () => {
  test('that says nothing for a second is asked for a sign of life, and is silent after three', () => {
    const { attempt, events, resends, tickUntil } = stream({});
    attempt.take({ t: 'accept', attempt: 2 }, 0);
    tickUntil(2_000);
    expect(resends).toContain(true);
    expect(events).toEqual([]);
    attempt.take({ t: 'accept', attempt: 2 }, 2_000);
    tickUntil(4_900, 2_025);
    expect(events).toEqual([]);
    tickUntil(5_100, 4_925);
    expect(events[0]).toEqual({ type: 'silent', attempt: 2 });
    attempt.take({ t: 'accept', attempt: 2 }, 5_100);
    expect(events.at(-1)).toEqual({ type: 'heard', attempt: 2 });
  });

  test('is not silent only because this process did not run', () => {
    const { attempt, events } = stream({});
    attempt.tick(0);
    attempt.tick(20_000);
    expect(events).toEqual([]);
  });

  test('whose attempt is over is not read any more', () => {
    const { attempt, events, frame } = stream({});
    attempt.close();
    frame(1);
    expect(events).toEqual([]);
  });
});
