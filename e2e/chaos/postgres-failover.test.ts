import { APIError } from 'openai';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { events } from '#bus-schemas';
import { type ReplicatedPostgres, startReplicatedPostgres } from '#testcontainers';
import { startTestNetwork, type TestNetwork } from '../test-network.ts';

const RECOVERY_MS = 10_000;
const WORKERS = 8;
/** Answers before the primary is killed, and after the first answer that follows it. */
const BEFORE = 40;
const AFTER = 80;

let postgres: ReplicatedPostgres;
let network: TestNetwork;
beforeAll(async () => {
  postgres = await startReplicatedPostgres();
  network = await startTestNetwork({
    providers: 3,
    tokenMs: 1,
    databaseUrl: await postgres.createDatabase('dinf'),
  });
}, 120_000);
afterAll(async () => {
  await network?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Several clients that send one paid request after another, without repeating a failed one. */
class Load implements AsyncDisposable {
  readonly answers: Answer[] = [];
  readonly #workers: readonly Promise<void>[];
  #isStopping = false;

  constructor() {
    this.#workers = Array.from({ length: WORKERS }, () => this.#ask());
  }

  async #ask(): Promise<void> {
    const client = network.openai();
    while (!this.#isStopping) {
      const startedAt = performance.now();
      const status = await client.chat.completions
        .create({
          model: 'sim-llama-8b',
          messages: [{ role: 'user', content: 'Is the money still there?' }],
          max_tokens: 5,
        })
        .then(
          () => 200,
          (error: unknown) => {
            if (error instanceof APIError && error.status !== undefined) return error.status;
            throw error;
          },
        );
      this.answers.push({ status, startedAt, endedAt: performance.now() });
    }
  }

  paidSince(time: number): readonly Answer[] {
    return this.answers.filter(({ status, startedAt }) => status === 200 && startedAt >= time);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#workers);
  }
}

test('the primary is killed under load and the standby promoted: paid requests work again within 10 s, and every answer is charged once', async () => {
  const load = new Load();
  let killedAt: number;
  {
    await using _load = load;
    await vi.waitFor(() => expect(load.paidSince(0).length).toBeGreaterThan(BEFORE));
    await postgres.primary.kill();
    killedAt = performance.now();
    await postgres.promote();
    await vi.waitFor(() => expect(load.paidSince(killedAt).length).toBeGreaterThan(AFTER));
  }
  const recovery = Math.min(...load.paidSince(killedAt).map(({ endedAt }) => endedAt)) - killedAt;
  const statuses = Object.groupBy(load.answers, ({ status }) => status);
  console.log(
    `recovery ${Math.round(recovery)} ms; ${Object.entries(statuses).map(([status, all = []]) => `${all.length} × ${status}`)}`,
  );
  expect(recovery).toBeLessThan(RECOVERY_MS);
  expect(Object.keys(statuses).filter((status) => !['200', '503'].includes(status))).toEqual([]);

  const charges = await network.charges();
  expect(charges.filter(({ outcome }) => outcome === 'settled')).toHaveLength(
    load.paidSince(0).length,
  );
  // A job that failed before its hold ends as void, and no fact is published for it.
  const published = charges.filter(({ outcome }) => outcome !== 'void');
  const manager = await network.network.coordinator.bus.manager();
  await vi.waitFor(async () => {
    const { state } = await manager.streams.info('SETTLEMENT', {
      subjects_filter: events.settlementSettled,
    });
    expect(state.subjects?.[events.settlementSettled]).toBe(published.length);
  });
}, 120_000);
