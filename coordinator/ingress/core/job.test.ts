import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Candidate } from '#bus-schemas';
import { DRAIN_MS, type JobCommand, type JobEvent, type JobState, MAX_ATTEMPTS, newJob, STALL_MS, step, wakeAt } from './job.ts';

const provider = (letter: string) => `A${letter.repeat(55)}`;
const candidate = (letter: string): Candidate => ({
  provider: provider(letter),
  build: 'sim-llama-8b-q4',
  suite: 'x25519-sha256-chacha20poly1305',
  sealingKey: new Uint8Array(32),
  expectedFirstContentMs: 10,
});
const usage = { promptTokens: 5, cachedTokens: 0, completionTokens: 3 };

/** Runs a machine and keeps what it commanded. */
class Machine {
  state: JobState;
  now = 0;
  readonly commands: JobCommand[] = [];

  constructor(streamed = true) {
    const first = newJob({ streamed, now: 0, firstContentMs: 9_000, jobTimeoutMs: 600_000 });
    this.state = first.state;
    this.commands.push(...first.commands);
  }

  happen(event: JobEvent, after = 0): JobCommand[] {
    this.now += after;
    const { state, commands } = step(this.state, event, this.now);
    this.state = state;
    this.commands.push(...commands);
    return [...commands];
  }

  serving(...letters: string[]): this {
    this.happen({ type: 'reserved', candidates: letters.map(candidate) });
    this.happen({ type: 'held' });
    return this;
  }

  all(what: JobCommand['do']): JobCommand[] {
    return this.commands.filter((command) => command.do === what);
  }
}

const kinds = (commands: readonly JobCommand[]) => commands.map((command) => command.do);

describe('the life of a job', () => {
  test('asks for a place, then for money, then for work', () => {
    const job = new Machine();
    expect(kinds(job.commands)).toEqual(['reserve']);
    expect(kinds(job.happen({ type: 'reserved', candidates: [candidate('B')] }))).toEqual(['hold']);
    expect(kinds(job.happen({ type: 'held' }))).toEqual(['dispatch']);
    expect(kinds(job.happen({ type: 'content', attempt: 1, text: 'a', tokens: 1 }))).toEqual(['write']);
    expect(kinds(job.happen({ type: 'end', attempt: 1, finish: 'stop', usage }))).toEqual(['finish', 'ended']);
    expect(job.state.phase).toBe('over');
  });

  test('a provider lost before content is replaced by the alternate, which is named in the report', () => {
    const job = new Machine().serving('B', 'C');
    const commands = job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' });
    expect(kinds(commands)).toEqual(['cancel', 'report_attempt', 'dispatch']);
    expect(commands[1]).toMatchObject({ failure: 'disconnected', next: provider('C') });
    expect(job.state.attempt?.number).toBe(2);
  });

  test('with no alternate left it asks for another place, without the failed ones, and holds no money twice', () => {
    const job = new Machine().serving('B');
    expect(job.happen({ type: 'refused', attempt: 1, reason: 'queue_full', retryAfterMs: 500 }).at(-1)).toEqual({ do: 'reserve', exclude: [provider('B')] });
    expect(kinds(job.happen({ type: 'reserved', candidates: [candidate('C')] }))).toEqual(['dispatch']);
    expect(job.all('hold')).toHaveLength(1);
  });

  test('a provider lost after content cuts the stream and is charged for what was delivered', () => {
    const job = new Machine().serving('B', 'C');
    job.happen({ type: 'content', attempt: 1, text: 'a', tokens: 2 });
    const commands = job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' });
    expect(kinds(commands)).toEqual(['cancel', 'report_attempt', 'cut', 'ended']);
    expect(commands.at(-1)).toMatchObject({ result: 'cut_short', served: { number: 1 } });
    expect(job.state.deliveredTokens).toBe(2);
  });

  test('a whole answer lost half-way starts again elsewhere, and the half is forgotten', () => {
    const job = new Machine(false).serving('B', 'C');
    job.happen({ type: 'content', attempt: 1, text: 'a', tokens: 2 });
    expect(kinds(job.happen({ type: 'attempt_failed', attempt: 1, failure: 'disconnected' }))).toEqual(['cancel', 'discard', 'report_attempt', 'dispatch']);
    expect(job.state.deliveredTokens).toBe(0);
  });

  test("the client's own mistake is tried once", () => {
    const job = new Machine().serving('B', 'C');
    const commands = job.happen({ type: 'refused', attempt: 1, reason: 'request_exceeds_context', retryAfterMs: 0 });
    expect(commands).toContainEqual(expect.objectContaining({ do: 'reject', code: 'context_length_exceeded' }));
    expect(job.state.phase).toBe('over');
  });

  test('a client that leaves has the work stopped, and the provider is waited for only so long', () => {
    const job = new Machine().serving('B');
    job.happen({ type: 'content', attempt: 1, text: 'a', tokens: 1 });
    expect(kinds(job.happen({ type: 'client_gone' }))).toEqual(['cancel']);
    expect(kinds(job.happen({ type: 'timer' }, DRAIN_MS - 1))).toEqual([]);
    expect(job.happen({ type: 'timer' }, 1)).toEqual([{ do: 'ended', result: 'client_gone', served: expect.anything() }]);
  });

  test('a client that leaves while money is being held still ends the job, after the answer', () => {
    const job = new Machine();
    job.happen({ type: 'reserved', candidates: [candidate('B')] });
    expect(job.happen({ type: 'client_gone' })).toEqual([]);
    expect(kinds(job.happen({ type: 'held' }))).toEqual(['ended']);
  });

  test('a slow first provider leaves half of the time to the next', () => {
    const job = new Machine().serving('B', 'C');
    expect(wakeAt(job.state)).toBe(4_500);
    expect(kinds(job.happen({ type: 'timer' }, 4_500))).toContain('dispatch');
    expect(wakeAt(job.state)).toBe(9_000);
    job.happen({ type: 'timer' }, 4_500);
    expect(job.all('reject')).toEqual([expect.objectContaining({ code: 'first_content_timeout' })]);
  });

  test('silence is the provider’s fault only while the client reads', () => {
    const job = new Machine().serving('B');
    job.happen({ type: 'content', attempt: 1, text: 'a', tokens: 1 });
    job.happen({ type: 'client_blocked' });
    expect(job.happen({ type: 'timer' }, STALL_MS * 2)).toEqual([]);
    job.happen({ type: 'client_ready' });
    expect(kinds(job.happen({ type: 'timer' }, STALL_MS))).toContain('cut');
  });
});

describe('whatever happens', () => {
  const attempt = fc.integer({ min: 1, max: MAX_ATTEMPTS });
  const event: fc.Arbitrary<JobEvent> = fc.oneof(
    fc
      .uniqueArray(fc.constantFrom('B', 'C', 'D'), { minLength: 1, maxLength: 3 })
      .map((letters): JobEvent => ({ type: 'reserved', candidates: letters.map(candidate) })),
    fc.constantFrom('saturated', 'unavailable').map((code): JobEvent => ({ type: 'routing_refused', code, retryAfterMs: 1 })),
    fc.constant<JobEvent>({ type: 'held' }),
    fc.constant<JobEvent>({ type: 'hold_refused', code: 'insufficient_funds' }),
    attempt.map((number): JobEvent => ({ type: 'refused', attempt: number, reason: 'queue_full', retryAfterMs: 1 })),
    attempt.map((number): JobEvent => ({ type: 'content', attempt: number, text: 'x', tokens: 1 })),
    fc
      .tuple(attempt, fc.constantFrom('stop', 'length', 'cancelled', 'error'))
      .map(([number, finish]): JobEvent => ({ type: 'end', attempt: number, finish, usage })),
    attempt.map((number): JobEvent => ({ type: 'attempt_failed', attempt: number, failure: 'stalled' })),
    fc.constantFrom<JobEvent>({ type: 'client_gone' }, { type: 'client_blocked' }, { type: 'client_ready' }, { type: 'timer' }),
  );
  const history = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 30_000 })), { maxLength: 40 });

  test.each([true, false])('a job ends once, answers once and leaves nothing behind (streamed: %s)', (streamed) => {
    fc.assert(
      fc.property(history, (events) => {
        const job = new Machine(streamed);
        let over = false;
        for (const [next, after] of events) {
          // Nobody answers what was not asked.
          if ((next.type === 'held' || next.type === 'hold_refused') && job.all('hold').length === 0) continue;
          const commands = job.happen(next, after);
          if (over) expect(commands).toEqual([]);
          over = job.state.phase === 'over';
        }
        const answers = job.commands.filter(({ do: what }) => what === 'finish' || what === 'reject' || what === 'cut');
        expect(answers.length).toBeLessThanOrEqual(1);
        expect(job.all('ended')).toHaveLength(over && job.state.reserved ? 1 : 0);
        expect(job.all('hold').length).toBeLessThanOrEqual(1);
        expect(job.all('dispatch').length).toBeLessThanOrEqual(MAX_ATTEMPTS);
        if (over && job.all('ended').length === 1) expect(job.commands.at(-1)?.do).toBe('ended');
        if (streamed && job.all('write').length > 0) {
          expect(job.all('reject')).toEqual([]);
          expect(job.all('discard')).toEqual([]);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
