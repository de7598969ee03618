import { describe, expect, test } from 'vitest';
import { DRAIN_MS, STALL_MS, wakeAt } from './job.ts';
import { MAX_ATTEMPTS } from './job-attempts.ts';
import type { JobCommand } from './job-state.ts';
import { candidate, Machine, provider, usage } from './job-under-test.ts';

const kinds = (commands: readonly JobCommand[]) => commands.map((command) => command.do);

describe('the life of a job', () => {
  test('asks for a slot, then for a hold, then for an answer', () => {
    const job = new Machine();
    expect(kinds(job.commands)).toEqual(['reserve']);
    expect(kinds(job.happen({ type: 'reserved', candidates: [candidate('B')] }))).toEqual(['hold']);
    expect(kinds(job.happen({ type: 'held' }))).toEqual(['dispatch']);
    expect(kinds(job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 1 }))).toEqual([
      'write',
    ]);
    expect(kinds(job.happen({ type: 'end', attempt: 1, finish: 'stop', usage }))).toEqual([
      'finish',
      'ended',
    ]);
    expect(job.state.phase).toBe('over');
  });

  test('after a hold that took long, routing is asked again, because the machine may have been removed', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B'), candidate('C')] });
    expect(job.happen({ type: 'held' }, 3_000)).toEqual([{ do: 'reserve', exclude: [] }]);
    const commands = job.happen({ type: 'reserved', candidates: [candidate('D')] });
    expect(kinds(commands)).toEqual(['dispatch']);
    expect(job.state.attempt?.candidate.provider).toBe(provider('D'));
    expect(job.all('hold')).toHaveLength(1);
  });

  test('if a machine is lost during the hold, routing is asked again', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B'), candidate('C')] });
    expect(job.happen({ type: 'provider_lost', provider: provider('B') })).toEqual([]);
    expect(job.happen({ type: 'held' })).toEqual([{ do: 'reserve', exclude: [] }]);
  });

  test('a lost machine is no alternate', () => {
    const job = new Machine().serving('B', 'C');
    job.happen({ type: 'provider_lost', provider: provider('C') });
    expect(
      job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' }).at(-1),
    ).toEqual({ do: 'reserve', exclude: [provider('B')] });
  });

  test('if routing has no machine after a hold that took long, the job ends, and its money is released', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B')] });
    job.happen({ type: 'held' }, 3_000);
    expect(
      job.happen({ type: 'routing_refused', code: 'no_provider', retryAfterMs: 1_000 }),
    ).toEqual([
      expect.objectContaining({ do: 'reject', code: 'no_provider' }),
      expect.objectContaining({ do: 'ended', result: 'failed' }),
    ]);
  });

  test('a provider lost before content is replaced by the alternate, whose id is in the report', () => {
    const job = new Machine().serving('B', 'C');
    const commands = job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' });
    expect(kinds(commands)).toEqual(['cancel', 'report_attempt', 'dispatch']);
    expect(commands[1]).toMatchObject({ failure: 'disconnected', next: provider('C') });
    expect(job.state.attempt?.number).toBe(2);
  });

  test('without an alternate left, the job reserves again without the failed providers, and holds no money twice', () => {
    const job = new Machine().serving('B');
    expect(
      job.happen({ type: 'refused', attempt: 1, reason: 'queue_full', retryAfterMs: 500 }).at(-1),
    ).toEqual({ do: 'reserve', exclude: [provider('B')] });
    expect(kinds(job.happen({ type: 'reserved', candidates: [candidate('C')] }))).toEqual([
      'dispatch',
    ]);
    expect(job.all('hold')).toHaveLength(1);
  });

  test('the job waits for room at machines that had none, once no other machine can answer', () => {
    const job = new Machine().serving('B');
    const full = (attempt: number) =>
      job.happen({ type: 'refused', attempt, reason: 'queue_full', retryAfterMs: 500 }).at(-1);
    const none = { type: 'routing_refused', code: 'no_provider', retryAfterMs: 1_000 } as const;
    for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt += 1) {
      expect(full(attempt)).toEqual({ do: 'reserve', exclude: [provider('B')] });
      expect(job.happen(none)).toEqual([{ do: 'reserve', exclude: [] }]);
      job.happen({ type: 'reserved', candidates: [candidate('B')] });
    }
    full(MAX_ATTEMPTS);
    expect(job.all('reject')).toEqual([expect.objectContaining({ code: 'saturated' })]);
  });

  test('a machine that failed is not asked again beside one that was full', () => {
    const job = new Machine().serving('B', 'C');
    job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' });
    job.happen({ type: 'refused', attempt: 2, reason: 'queue_full', retryAfterMs: 500 });
    const none = { type: 'routing_refused', code: 'no_provider', retryAfterMs: 1_000 } as const;
    expect(job.happen(none)).toEqual([{ do: 'reserve', exclude: [provider('B')] }]);
    job.happen(none);
    expect(job.all('reject')).toEqual([expect.objectContaining({ code: 'saturated' })]);
  });

  test('a provider lost after content cuts the stream, and the delivered tokens are charged', () => {
    const job = new Machine().serving('B', 'C');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 2 });
    const commands = job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' });
    expect(kinds(commands)).toEqual(['cancel', 'report_attempt', 'cut', 'ended']);
    expect(commands.at(-1)).toMatchObject({ result: 'cut_short', served: { number: 1 } });
    expect(job.state.deliveredTokens).toBe(2);
  });

  test('an answer that is not streamed starts again at another provider, and its first part is discarded', () => {
    const job = new Machine(false).serving('B', 'C');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 2 });
    expect(
      kinds(job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' })),
    ).toEqual(['cancel', 'discard', 'report_attempt', 'dispatch']);
    expect(job.state.deliveredTokens).toBe(0);
  });

  test('a machine above the price that the caller accepts is excluded, and the job reserves again', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B'), candidate('C')] });
    expect(job.happen({ type: 'hold_refused', code: 'price_above_limit' })).toEqual([
      { do: 'reserve', exclude: [provider('B')] },
    ]);
    expect(job.happen({ type: 'reserved', candidates: [candidate('C')] })).toEqual([
      { do: 'hold', provider: provider('C') },
    ]);
    expect(kinds(job.happen({ type: 'held' }))).toEqual(['dispatch']);
    expect(job.state.attempt?.number).toBe(1);
  });

  test('a machine that the caller cannot afford is excluded only if another costs less', () => {
    const [dear, cheap] = [
      { ...candidate('B'), costMicroUsd: 900 },
      { ...candidate('C'), costMicroUsd: 400 },
    ];
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [dear, cheap] });
    expect(kinds(job.happen({ type: 'hold_refused', code: 'insufficient_funds' }))).toEqual([
      'reserve',
    ]);
    job.happen({ type: 'reserved', candidates: [cheap] });
    const commands = job.happen({ type: 'hold_refused', code: 'insufficient_funds' });
    expect(commands).toContainEqual(
      expect.objectContaining({ do: 'reject', code: 'insufficient_quota' }),
    );
    expect(kinds(commands)).toEqual(['reject', 'ended']);
  });

  test('a caller whose account owes is told how much', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B')] });
    const commands = job.happen({
      type: 'hold_refused',
      code: 'insufficient_funds',
      owedMicroUsd: 4_000_000,
    });
    expect(commands).toContainEqual(
      expect.objectContaining({
        do: 'reject',
        code: 'payment_owed',
        message: expect.stringContaining('owes $4.000000'),
      }),
    );
  });

  test('a caller gets the error of the refused hold if there is no other machine', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B')] });
    job.happen({ type: 'hold_refused', code: 'price_above_limit' });
    const commands = job.happen({
      type: 'routing_refused',
      code: 'no_provider',
      retryAfterMs: 2_000,
    });
    expect(commands).toContainEqual(
      expect.objectContaining({ do: 'reject', code: 'preferences_unmet' }),
    );
    expect(job.all('ended')).toHaveLength(1);
  });

  test('an invalid request is tried once', () => {
    const job = new Machine().serving('B', 'C');
    const commands = job.happen({
      type: 'refused',
      attempt: 1,
      reason: 'request_exceeds_context',
      retryAfterMs: 0,
    });
    expect(commands).toContainEqual(
      expect.objectContaining({ do: 'reject', code: 'context_length_exceeded' }),
    );
    expect(job.state.phase).toBe('over');
  });

  test('an order that its client sealed wrongly is tried once; one that the ingress sealed is tried at another provider', () => {
    const refused = { type: 'refused', attempt: 1, reason: 'unsealable', retryAfterMs: 0 } as const;
    const blind = new Machine(true, true).serving('B', 'C');
    expect(blind.happen(refused)).toContainEqual(
      expect.objectContaining({ do: 'reject', code: 'badly_sealed' }),
    );
    expect(kinds(new Machine().serving('B', 'C').happen(refused))).toEqual([
      'report_attempt',
      'dispatch',
    ]);
  });

  test('a schema that the provider cannot compile is tried once, and its reason reaches the client', () => {
    const job = new Machine().serving('B', 'C');
    const detail = 'Unsupported type "nonsense"';
    const commands = job.happen({
      type: 'refused',
      attempt: 1,
      reason: 'invalid_request',
      about: 'schema',
      detail,
      retryAfterMs: 0,
    });
    expect(commands).toContainEqual(
      expect.objectContaining({
        do: 'reject',
        code: 'invalid_schema',
        message: `The provider answers: ${detail}`,
      }),
    );
    expect(commands[0]).toEqual({
      do: 'report_attempt',
      attempt: expect.anything(),
      failure: 'refused',
      refusal: 'invalid_request',
      about: 'schema',
    });
  });

  test('an answer that fails because of its schema is not tried again, unlike one whose engine fails', () => {
    const failed = { type: 'end', attempt: 1, finish: 'error', usage } as const;
    expect(kinds(new Machine().serving('B', 'C').happen(failed))).toContain('dispatch');
    const job = new Machine(false).serving('B', 'C');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 2 });
    expect(job.happen({ ...failed, about: 'schema' })).toContainEqual(
      expect.objectContaining({ do: 'reject', code: 'invalid_schema' }),
    );
  });

  test('an answer that its machine ends for lack of memory names this reason, and goes to another machine before content', () => {
    const end = { type: 'end', attempt: 1, finish: 'out_of_memory', usage } as const;
    const moved = new Machine().serving('B', 'C').happen(end);
    expect(moved).toContainEqual(expect.objectContaining({ failure: 'out_of_memory' }));
    expect(kinds(moved)).toContain('dispatch');
    const job = new Machine().serving('B', 'C');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 2 });
    const commands = job.happen(end);
    expect(commands).toContainEqual({ do: 'cut', code: 'provider_out_of_memory' });
    expect(commands.at(-1)).toMatchObject({ result: 'cut_short' });
  });

  test('an unstreamed answer that finds no memory ends with an error, and is not charged', () => {
    const job = new Machine(false).serving('B', 'C');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 2 });
    const commands = job.happen({ type: 'answer_full' });
    expect(kinds(commands)).toEqual(['cancel', 'reject', 'ended']);
    expect(commands.at(-1)).toMatchObject({ result: 'failed', served: undefined });
  });

  test('a client that leaves stops the work, and the wait for the provider is bounded', () => {
    const job = new Machine().serving('B');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 1 });
    expect(kinds(job.happen({ type: 'client_gone' }))).toEqual(['cancel']);
    expect(kinds(job.happen({ type: 'timer' }, DRAIN_MS - 1))).toEqual([]);
    expect(job.happen({ type: 'timer' }, 1)).toEqual([
      { do: 'ended', result: 'client_gone', served: expect.anything() },
    ]);
  });

  test('a stream that an ingress cannot finish ends with the reason, and its part is charged', () => {
    const job = new Machine().serving('B');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 1 });
    expect(job.happen({ type: 'ingress_stops' })).toMatchObject([
      { do: 'cut', code: 'draining' },
      { do: 'cancel' },
    ]);
    expect(job.happen({ type: 'end', attempt: 1, finish: 'cancelled', usage })).toMatchObject([
      { do: 'ended', result: 'client_gone', served: expect.anything() },
    ]);
  });

  test.each([true, false])(
    'an answer without a part that reached its client is refused and not charged when the ingress stops (streamed: %s)',
    (streamed) => {
      const job = new Machine(streamed).serving('B');
      if (!streamed) job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 1 });
      expect(job.happen({ type: 'ingress_stops' })).toMatchObject([
        { do: 'cancel' },
        { do: 'reject', code: 'draining' },
        { do: 'ended', result: 'failed', served: undefined },
      ]);
    },
  );

  test('a client that leaves during a hold still ends the job, after the reply', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B')] });
    expect(job.happen({ type: 'client_gone' })).toEqual([]);
    expect(kinds(job.happen({ type: 'held' }))).toEqual(['ended']);
  });

  test('a slow first provider leaves half of the time to the next one, for which routing is asked again', () => {
    const job = new Machine();
    const slow = { ...candidate('B'), expectedFirstContentMs: 3_000 };
    job.happen({ type: 'reserved', candidates: [slow, candidate('C')] });
    job.happen({ type: 'held' });
    expect(wakeAt(job.state)).toBe(4_500);
    expect(kinds(job.happen({ type: 'timer' }, 4_500))).toEqual([
      'cancel',
      'report_attempt',
      'reserve',
    ]);
    expect(kinds(job.happen({ type: 'reserved', candidates: [candidate('D')] }))).toEqual([
      'dispatch',
    ]);
    expect(job.state.attempt?.contentBy).toBe(9_000);
    job.happen({ type: 'timer' }, 4_500);
    expect(job.all('reject')).toEqual([expect.objectContaining({ code: 'first_content_timeout' })]);
  });

  test('a provider that was expected to answer at once is abandoned sooner', () => {
    const job = new Machine().serving('B', 'C');
    expect(wakeAt(job.state)).toBe(2_000);
    expect(kinds(job.happen({ type: 'timer', isPatient: true }, 2_000))).toEqual([]);
    expect(kinds(job.happen({ type: 'timer' }, 1_000))).toEqual([
      'cancel',
      'report_attempt',
      'reserve',
    ]);
  });

  test('a provider may refuse a job that it cannot begin in time; the last candidate has as long as the job waits for late answers', () => {
    const job = new Machine().serving('B', 'C');
    expect(job.state.attempt).toMatchObject({ contentBy: 2_000, startBy: 2_000 });
    job.happen({ type: 'refused', attempt: 1, reason: 'deadline_unreachable', retryAfterMs: 0 });
    expect(job.state.attempt).toMatchObject({ number: 2, contentBy: 9_000, startBy: 4 * 9_000 });
    job.happen({ type: 'refused', attempt: 2, reason: 'deadline_unreachable', retryAfterMs: 0 });
    expect(job.all('reserve')).toHaveLength(2);
  });

  test('while many attempts are late, the job waits, at most four times as long', () => {
    const job = new Machine().serving('B', 'C');
    while (job.now + 1_000 < 4 * 9_000) {
      job.now = wakeAt(job.state);
      expect(job.happen({ type: 'timer', isPatient: true })).toEqual([]);
    }
    job.now = wakeAt(job.state);
    expect(job.now).toBe(4 * 9_000);
    job.happen({ type: 'timer', isPatient: true });
    expect(job.all('reject')).toEqual([expect.objectContaining({ code: 'first_content_timeout' })]);
  });

  test('alternates are tried at once while the plan of routing is fresh', () => {
    const job = new Machine().serving('B', 'C', 'D');
    const refused = (attempt: number) =>
      ({ type: 'refused', attempt, reason: 'queue_full', retryAfterMs: 0 }) as const;
    expect(kinds(job.happen(refused(1), 500))).toEqual(['report_attempt', 'dispatch']);
    expect(kinds(job.happen(refused(2), 1))).toEqual(['report_attempt', 'reserve']);
  });

  test('silence is the provider’s fault only while the client reads', () => {
    const job = new Machine().serving('B');
    job.happen({ type: 'content', attempt: 1, pieces: [], tokens: 1 });
    job.happen({ type: 'client_blocked' });
    expect(job.happen({ type: 'timer' }, STALL_MS * 2)).toEqual([]);
    job.happen({ type: 'client_ready' });
    expect(kinds(job.happen({ type: 'timer' }, STALL_MS))).toContain('cut');
  });
});
