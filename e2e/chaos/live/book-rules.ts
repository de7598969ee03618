import { missingTokens, receivedTokens, wrongTokens } from '#world/expected-answer.ts';
import {
  MOST_AT_ONCE_TOKENS,
  PROVEN_EVERY_TOKENS,
  TOKENS_UNDER_WAY,
} from '#world/rules/money-rules.ts';
import { type BookEntry, isServed } from './client-book.ts';

/** A fault with the time until every ingress served again after it. */
export interface PastFault {
  readonly target: string;
  readonly sentence: string;
  /** Whether machines, their leaves or their links are concerned. */
  readonly isOfMachines: boolean;
  /** Times of the monotonic clock in milliseconds. */
  readonly from: number;
  /** When every ingress served again and nothing was left of the fault. */
  readonly until: number;
  /** Time from the end of the fault until every ingress served again, in milliseconds. */
  readonly outageMs: number;
}

export interface PaidJob {
  readonly outcome: string;
  readonly tokens: number;
}

/** What is known when a run has ended. */
export interface Ended {
  readonly book: readonly BookEntry[];
  readonly faults: readonly PastFault[];
  readonly charges: ReadonlyMap<string, PaidJob>;
  /** Jobs with a row in the records of requests. */
  readonly generations: ReadonlySet<string>;
  readonly receiptGraceMs: number;
  /** An outage ends within this time after the end of its cause, in milliseconds. */
  readonly outageLimitMs: number;
}

export interface Rule {
  readonly name: string;
  /** Returns a sentence for each place where it is broken. */
  readonly broken: (ended: Ended) => string[];
}

/** Tokens that a client may have received since the last proof that its machine has. */
const UNPROVEN = PROVEN_EVERY_TOKENS + MOST_AT_ONCE_TOKENS;
/** Time in which a fact is stored after the end of its request, in milliseconds, if nothing fails. */
const STORED_MS = 4_000;

export const bookRules: readonly Rule[] = [
  {
    name: 'every outage ends soon after its cause',
    broken: ({ faults, outageLimitMs }) =>
      faults.flatMap(({ sentence, outageMs }) =>
        outageMs > outageLimitMs
          ? [`${sentence}: served again after ${(outageMs / 1_000).toFixed(1)} s`]
          : [],
      ),
  },
  {
    name: 'every request ends before its deadline',
    broken: ({ book }) =>
      each(book, ({ outcome }) =>
        outcome === undefined || outcome === 'hung' ? 'has no end' : undefined,
      ),
  },
  {
    name: 'no token is wrong, missing in between, or doubled',
    broken: ({ book }) => each(book, wrongTokens),
  },
  {
    name: 'an answer that ends in order is whole',
    broken: ({ book }) =>
      each(book, (entry) => (entry.outcome === 'complete' ? missingTokens(entry) : undefined)),
  },
  {
    name: 'while nothing fails, every request is served',
    broken: ({ book, faults }) =>
      each(book, (entry) =>
        isServed(entry) || during(entry, faults).length > 0
          ? undefined
          : `was ${entry.outcome}: ${entry.detail}`,
      ),
  },
  {
    name: 'nobody pays for more than was delivered',
    broken: ({ book, charges, faults }) =>
      each(book, (entry) => {
        const paid = charges.get(entry.job ?? '')?.tokens ?? 0;
        const received = receivedTokens(entry);
        return paid > received + unread(entry, faults)
          ? `received ${received} tokens and pays for ${paid}`
          : undefined;
      }),
  },
  {
    name: 'a whole answer is paid in full, once',
    broken: ({ book, charges, faults, receiptGraceMs }) =>
      each(book, (entry) => {
        if (entry.outcome !== 'complete') return undefined;
        const charge = charges.get(entry.job ?? '');
        const least = mayLackItsEnd(entry, faults, receiptGraceMs)
          ? entry.maxTokens - UNPROVEN
          : entry.maxTokens;
        if (charge?.outcome === 'settled' && charge.tokens >= least) return undefined;
        if (least <= 0 && charge !== undefined) return undefined;
        return `is complete with ${entry.maxTokens} tokens; charged: ${JSON.stringify(charge)}`;
      }),
  },
  {
    name: 'an answer that was cut is paid up to the last proof of delivery',
    broken: ({ book, charges, faults, receiptGraceMs }) =>
      each(book, (entry) => {
        if (entry.outcome === 'complete') return undefined;
        // A machine that fails too may never send its receipt: its part is free.
        const around = { askedAt: entry.askedAt, endedAt: endOf(entry) + 2 * receiptGraceMs };
        if (during(around, faults).some(({ isOfMachines }) => isOfMachines)) return undefined;
        const received = receivedTokens(entry);
        const paid = charges.get(entry.job ?? '')?.tokens ?? 0;
        return paid < received - UNPROVEN
          ? `received ${received} tokens and pays for ${paid}`
          : undefined;
      }),
  },
  {
    name: 'every job with content has a row that says how it ended',
    broken: ({ book, generations, charges }) =>
      each(book, ({ job = '', text }) =>
        text === '' || generations.has(job) || charges.has(job) ? undefined : `(${job}) has none`,
      ),
  },
];

/** The sentences about the requests that break a rule. */
const each = (
  book: readonly BookEntry[],
  broken: (entry: BookEntry) => string | undefined,
): string[] =>
  book.flatMap((entry) => {
    const text = broken(entry);
    return text === undefined ? [] : [`request ${entry.number} (${entry.ingress}) ${text}`];
  });

const endOf = ({ endedAt }: Pick<BookEntry, 'endedAt'>) => endedAt ?? Number.POSITIVE_INFINITY;

/** The faults that this request met, or the outages after them. */
const during = (entry: Pick<BookEntry, 'askedAt' | 'endedAt'>, faults: readonly PastFault[]) =>
  faults.filter(({ from, until }) => from <= endOf(entry) && until >= entry.askedAt);

/** Tokens that may have arrived at a client that left without having read them. */
function unread(entry: BookEntry, faults: readonly PastFault[]): number {
  if (entry.outcome !== 'left') return 0;
  return TOKENS_UNDER_WAY + (during(entry, faults).length > 0 ? MOST_AT_ONCE_TOKENS : 0);
}

/**
 * The end of this answer may not have reached settlement: its ingress failed before the hub had
 * stored the end, or there was trouble for longer than the receipt waits. Then the receipt settles
 * the job, for the tokens of which the machine has a proof.
 */
function mayLackItsEnd(
  entry: BookEntry,
  faults: readonly PastFault[],
  receiptGraceMs: number,
): boolean {
  const after = { askedAt: entry.askedAt, endedAt: endOf(entry) + STORED_MS };
  return during(after, faults).some(
    ({ target, from, until }) =>
      target.startsWith(entry.ingress) || until - from > receiptGraceMs - STORED_MS,
  );
}
