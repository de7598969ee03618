import { services } from '#bus-schemas';
import { type BookEntry, expectedText, receivedTokens } from './customers.ts';
import type { WorldFault } from './faults.ts';
import { JOB_MS, type WorldNetwork } from './network.ts';
import type { World } from './world.ts';

/** What the world knows when it has ended. */
interface Ended {
  readonly world: World;
  readonly network: WorldNetwork;
  readonly faults: readonly WorldFault[];
  readonly book: readonly BookEntry[];
  readonly charges: ReadonlyMap<string, PaidJob>;
  /** The jobs of which telemetry has a row. */
  readonly generations: ReadonlySet<string>;
  /** The jobs for which money is set aside. */
  readonly openHolds: ReadonlySet<string>;
  /** Money that is still set aside although its time is over. */
  readonly overdueHolds: number;
  /** When the customers began to ask. */
  readonly begin: number;
  /** From this time on nothing went wrong any more. */
  readonly healedAt: number;
}

export interface PaidJob {
  readonly job: string;
  readonly outcome: string;
  readonly tokens: number;
  readonly charged: number;
}

/** A rule that every world must keep. */
export interface Invariant {
  readonly name: string;
  /** Returns a sentence for each place where it is broken. */
  readonly broken: (ended: Ended) => Promise<string[]> | string[];
}

/** A process that freezes answers later by as much, at most. */
const LONGEST_WAIT_MS = JOB_MS + 25_000;
/** After the last fault everything is served again within this time, in milliseconds. */
export const HEALED_WITHIN_MS = 30_000;

const each = (
  book: readonly BookEntry[],
  broken: (entry: BookEntry) => string | undefined,
): string[] =>
  book.flatMap((entry) => {
    const text = broken(entry);
    return text === undefined ? [] : [`request ${entry.number} ${text}`];
  });

export const invariants: readonly Invariant[] = [
  {
    name: 'no token is wrong, missing in between, or doubled',
    broken: ({ book }) =>
      each(book, (entry) =>
        expectedText(entry).startsWith(entry.text)
          ? undefined
          : `received ${JSON.stringify(entry.text.slice(-80))}`,
      ),
  },
  {
    name: 'an answer that ends with [DONE] is whole',
    broken: ({ book }) =>
      each(book, (entry) =>
        entry.outcome === 'complete' && entry.text !== expectedText(entry)
          ? `has ${receivedTokens(entry)} of ${entry.maxTokens} tokens`
          : undefined,
      ),
  },
  {
    name: 'every request ends in time',
    broken: ({ book, world }) =>
      each(book, ({ askedAt, endedAt }) => {
        const waited = (endedAt ?? world.time.now) - askedAt;
        if (endedAt === undefined) return `has no end after ${seconds(waited)}`;
        return waited > LONGEST_WAIT_MS ? `ended after ${seconds(waited)}` : undefined;
      }),
  },
  {
    name: 'after the faults everything is served again',
    broken: ({ book, healedAt }) =>
      each(book, ({ askedAt, outcome, detail }) =>
        askedAt >= healedAt + HEALED_WITHIN_MS && outcome !== 'complete'
          ? `was asked ${seconds(askedAt - healedAt)} after the last fault: ${outcome} ${detail ?? ''}`
          : undefined,
      ),
  },
  {
    name: 'while only machines fail, a request that has no content yet is served by another one',
    broken: ({ book, faults }) =>
      faults.every(({ host }) => host.includes('machine'))
        ? each(book, ({ text, outcome, detail }) =>
            text === '' && outcome !== 'complete' ? `${outcome}: ${detail ?? ''}` : undefined,
          )
        : [],
  },
  {
    name: 'nobody pays for more than was delivered',
    broken: ({ book, charges }) =>
      each(book, (entry) => {
        const charge = charges.get(entry.job ?? '');
        const delivered = receivedTokens(entry);
        return charge !== undefined && charge.tokens > delivered
          ? `received ${delivered} tokens and pays for ${charge.tokens}`
          : undefined;
      }),
  },
  {
    name: 'a whole answer is paid in full, once',
    broken: (ended) =>
      each(ended.book, (entry) => {
        if (entry.outcome !== 'complete') return undefined;
        const charge = ended.charges.get(entry.job ?? '');
        if (charge === undefined) return 'is complete and was never settled';
        return charge.tokens === entry.maxTokens || mayLackItsEnd(entry, ended)
          ? undefined
          : `is complete with ${entry.maxTokens} tokens, and ${charge.tokens} were charged (${charge.outcome})`;
      }),
  },
  {
    name: 'every job with content has a row that says how it ended',
    // A job whose ingress was killed has a charge and no generation. If its machine was killed too,
    // it has the charge when the time of its hold is over.
    broken: ({ book, generations, charges, openHolds }) =>
      each(book, ({ job = '', text }) =>
        text !== '' && !generations.has(job) && !charges.has(job) && !openHolds.has(job)
          ? 'has no row of its end'
          : undefined,
      ),
  },
  {
    name: 'the books balance, and no money is set aside for ever',
    broken: async ({ network, overdueHolds }) => {
      const proof = await network.bus.call(
        services.settlement.verify,
        { full: true },
        { timeoutMs: 10_000 },
      );
      return [
        ...(proof.ok ? [] : [`the proof fails: ${JSON.stringify(proof)}`]),
        ...(proof.parked > 0 ? [`${proof.parked} facts are parked`] : []),
        ...(overdueHolds > 0 ? [`${overdueHolds} holds are over and not released`] : []),
      ];
    },
  },
  { name: 'no process crashes', broken: ({ world }) => world.crashes },
];

/**
 * Time in which a fact is stored, or read again, once nothing is wrong with the host that does it:
 * a try that is not answered and the pause after it take 2.5 s.
 */
const NEXT_TRY_MS = 4_000;
/** After this time the receipt of a machine settles a job of which nobody tells the end. */
const RECEIPT_GRACE_MS = 30_000;

/**
 * The end of this answer may not have come to settlement in time, because the ingress was killed
 * before the hub had stored it, or because the hub or settlement had trouble for longer than the
 * receipt waits. Then the receipt settles the job, for the tokens of which the machine has a proof.
 */
function mayLackItsEnd(
  { ingress, endedAt = 0 }: BookEntry,
  { faults, network, begin }: Ended,
): boolean {
  const end = endedAt - begin;
  const name = network.processes.find(({ address }) => address === ingress)?.name;
  const storedBy = troubleUntil(end, ['hub'], faults);
  return (
    faults.some(
      ({ kind, host, at }) => kind === 'kill' && host === name && at >= end && at <= storedBy,
    ) ||
    troubleUntil(end, ['hub', 'settlement', 'postgres', 'trust'], faults) - end > RECEIPT_GRACE_MS
  );
}

/** The end of the faults of these hosts that follow one another without a pause from this time on. */
function troubleUntil(
  from: number,
  hosts: readonly string[],
  faults: readonly WorldFault[],
): number {
  let until = from + NEXT_TRY_MS;
  for (const { host, other = '', at, forMs } of faults)
    if ((hosts.includes(host) || hosts.includes(other)) && at <= until && at + forMs >= from)
      until = Math.max(until, at + forMs + NEXT_TRY_MS);
  return until;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
