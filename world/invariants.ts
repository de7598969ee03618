import { services } from '#bus-schemas';
import { type BookEntry, expectedText, receivedTokens } from './customers.ts';
import type { WorldFault } from './faults.ts';
import type { WorldNetwork } from './network.ts';
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

/** The longest time that a client may wait for the end of its answer, in milliseconds. */
const LONGEST_WAIT_MS = 130_000;
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
    broken: ({ book, charges }) =>
      each(book, (entry) => {
        if (entry.outcome !== 'complete') return undefined;
        const charge = charges.get(entry.job ?? '');
        if (charge === undefined) return 'is complete and was never settled';
        return charge.tokens === entry.maxTokens
          ? undefined
          : `is complete with ${entry.maxTokens} tokens, and ${charge.tokens} were charged (${charge.outcome})`;
      }),
  },
  {
    name: 'every job with content has a row that says how it ended',
    // A job whose ingress was killed has a charge and no generation.
    broken: ({ book, generations, charges }) =>
      each(book, ({ job = '', text }) =>
        text !== '' && !generations.has(job) && !charges.has(job)
          ? 'has no row of its end'
          : undefined,
      ),
  },
  {
    name: 'the books balance, and no money is set aside for ever',
    broken: async ({ network }) => {
      const proof = await network.bus.call(
        services.settlement.verify,
        { full: true },
        { timeoutMs: 10_000 },
      );
      const {
        v: _version,
        newEntries: _new,
        openHolds,
        parked,
        ...violations
      } = proof as typeof proof & { v?: number };
      return [
        ...(openHolds > 0 ? [`${openHolds} holds are open`] : []),
        ...(parked > 0 ? [`${parked} facts are parked`] : []),
        ...Object.entries(violations).flatMap(([name, value]) =>
          isClean(value) ? [] : [`${name}: ${JSON.stringify(value)}`],
        ),
      ];
    },
  },
  { name: 'no process crashes', broken: ({ world }) => world.crashes },
];

const isClean = (value: unknown): boolean =>
  value === 0 ||
  value === undefined ||
  value === true ||
  (Array.isArray(value) && value.length === 0);

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
