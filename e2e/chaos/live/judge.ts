import { setTimeout as delay } from 'node:timers/promises';
import { events, services } from '#bus-schemas';
import { bookRules, type PaidJob, type PastFault } from './book-rules.ts';
import { type ChaosNetwork, JOB_MS, RECEIPT_GRACE_MS } from './chaos-network.ts';
import type { ClientBook } from './client-book.ts';

/** A place where a rule was broken. */
export interface BrokenRule {
  readonly rule: string;
  readonly text: string;
}

/** What a run has to be judged by. */
interface Judged {
  readonly book: ClientBook;
  readonly faults: readonly PastFault[];
  readonly outageLimitMs: number;
}

/** A hold of which nothing tells the end is released after this time, in milliseconds. */
const HOLDS_END_MS = JOB_MS + 120_000 + RECEIPT_GRACE_MS;
/** The outbox of settlement is empty after this time, in milliseconds. */
const OUTBOX_MS = 60_000;
const CALL = { timeoutMs: 10_000 };
const LOOK_MS = 200;

/** Checks every rule, after every job has ended. */
export async function judge(
  network: ChaosNetwork,
  { book, faults, outageLimitMs }: Judged,
): Promise<readonly BrokenRule[]> {
  const proof = await untilEnded(network);
  const { rows } = await network.database.query<PaidJob & { job: string }>(
    'SELECT job, outcome, completion_tokens::int AS tokens FROM charges',
  );
  const generations = await network.database.query<{ job: string }>('SELECT job FROM generations');
  const ended = {
    book: book.entries,
    faults,
    charges: new Map(rows.map((row) => [row.job, row])),
    generations: new Set(generations.rows.map(({ job }) => job)),
    receiptGraceMs: RECEIPT_GRACE_MS,
    outageLimitMs,
  };
  const stored = await settledFacts(network);
  const settled = rows.filter(({ outcome }) => outcome !== 'void').length;
  return [
    ...bookRules.flatMap(({ name, broken }) => broken(ended).map((text) => ({ rule: name, text }))),
    ...(proof.ok && proof.openHolds === 0
      ? []
      : [
          {
            rule: 'the books balance, and no money is set aside for ever',
            text: JSON.stringify(proof),
          },
        ]),
    ...(stored === settled
      ? []
      : [
          {
            rule: 'the settlement of each job is told once',
            text: `${settled} jobs were settled, and ${stored} facts tell it`,
          },
        ]),
  ];
}

async function untilEnded({ network }: ChaosNetwork) {
  const { bus } = network.coordinator;
  for (const giveUpAt = performance.now() + HOLDS_END_MS; ; await delay(1_000)) {
    const proof = await bus
      .call(services.settlement.verify, { full: true }, CALL)
      .catch(() => undefined);
    if (proof !== undefined && (proof.openHolds === 0 || performance.now() > giveUpAt))
      return proof;
    if (performance.now() > giveUpAt) throw new Error('settlement does not answer');
  }
}

/** Number of facts about settled jobs, once the outbox is empty. */
async function settledFacts({ network, database }: ChaosNetwork): Promise<number> {
  for (const giveUpAt = performance.now() + OUTBOX_MS; performance.now() < giveUpAt; ) {
    const { rowCount } = await database.query('SELECT 1 FROM settlement_outbox LIMIT 1');
    if (rowCount === 0) break;
    await delay(LOOK_MS);
  }
  const manager = await network.coordinator.bus.manager();
  const { state } = await manager.streams.info('SETTLEMENT', {
    subjects_filter: events.settlementSettled,
  });
  return state.subjects?.[events.settlementSettled] ?? 0;
}
