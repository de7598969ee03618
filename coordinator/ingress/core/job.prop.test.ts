import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_ATTEMPTS } from './job-attempts.ts';
import type { JobEvent } from './job-state.ts';
import { candidate, Machine, usage } from './job-under-test.ts';

describe('after any sequence of events', () => {
  const attempt = fc.integer({ min: 1, max: MAX_ATTEMPTS });
  const event: fc.Arbitrary<JobEvent> = fc.oneof(
    fc
      .uniqueArray(fc.constantFrom('B', 'C', 'D'), { minLength: 1, maxLength: 3 })
      .map((letters): JobEvent => ({ type: 'reserved', candidates: letters.map(candidate) })),
    fc
      .constantFrom('saturated', 'unavailable')
      .map((code): JobEvent => ({ type: 'routing_refused', code, retryAfterMs: 1 })),
    fc.constant<JobEvent>({ type: 'held' }),
    fc.constant<JobEvent>({ type: 'hold_refused', code: 'insufficient_funds' }),
    attempt.map(
      (number): JobEvent => ({
        type: 'refused',
        attempt: number,
        reason: 'queue_full',
        retryAfterMs: 1,
      }),
    ),
    fc.tuple(attempt, fc.boolean()).map(
      ([number, movable]): JobEvent => ({
        type: 'content',
        attempt: number,
        pieces: [],
        tokens: 1,
        movable,
      }),
    ),
    fc
      .tuple(attempt, fc.constantFrom('silent', 'heard'))
      .map(([number, type]): JobEvent => ({ type, attempt: number })),
    fc
      .tuple(attempt, fc.constantFrom('stop', 'length', 'cancelled', 'error'))
      .map(([number, finish]): JobEvent => ({ type: 'end', attempt: number, finish, usage })),
    attempt.map(
      (number): JobEvent => ({ type: 'attempt_failed', attempt: number, failure: 'stalled' }),
    ),
    fc.constantFrom<JobEvent>(
      { type: 'client_gone' },
      { type: 'ingress_stops' },
      { type: 'client_blocked' },
      { type: 'client_ready' },
      { type: 'provider_lost', provider: candidate('B').provider },
      { type: 'timer' },
    ),
  );
  const history = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 30_000 })), { maxLength: 40 });

  test.each([true, false])(
    'a job ends once, answers once and leaves no slot or hold behind (streamed: %s)',
    (streamed) => {
      fc.assert(
        fc.property(history, (events) => {
          const job = new Machine(streamed);
          let over = false;
          let replies = 0;
          let holdReplies = 0;
          for (const [next, after] of events) {
            // No reply arrives without a request.
            if (next.type === 'held' || next.type === 'hold_refused') {
              if (holdReplies === job.all('hold').length) continue;
              holdReplies += 1;
            }
            if (next.type === 'reserved' || next.type === 'routing_refused') {
              if (replies === job.all('reserve').length) continue;
              replies += 1;
            }
            const commands = job.happen(next, after);
            if (over) expect(commands).toEqual([]);
            over = job.state.phase === 'over';
          }
          const answers = job.commands.filter(
            ({ do: what }) => what === 'finish' || what === 'reject' || what === 'cut',
          );
          expect(answers.length).toBeLessThanOrEqual(1);
          expect(job.all('ended')).toHaveLength(over && job.state.reserved ? 1 : 0);
          expect(job.all('hold').length).toBeLessThanOrEqual(1);
          expect(job.all('dispatch').length).toBeLessThanOrEqual(MAX_ATTEMPTS);
          if (over && job.all('ended').length === 1) expect(job.commands.at(-1)?.do).toBe('ended');
          if (over) expect(replies).toBe(job.all('reserve').length);
          if (streamed && job.all('write').length > 0) {
            expect(job.all('reject')).toEqual([]);
            expect(job.all('discard')).toEqual([]);
          }
        }),
        { numRuns: 2_000 },
      );
    },
  );
});
