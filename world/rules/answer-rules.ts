import { type BookEntry, endedWell } from '../customers.ts';
import { areInTurn, interruptsAlone, longestTroubleMs } from '../draw-faults.ts';
import { missingTokens, wrongTokens } from '../expected-answer.ts';
import type { WorldFault } from '../faults.ts';
import { JOB_MS } from '../network.ts';
import { concerns, each, isOfMachine, onlyMachinesFail, type Rule, seconds } from './rule.ts';

/** A process that freezes answers later by as much, at most. */
const LONGEST_WAIT_MS = JOB_MS + 25_000;
/**
 * Longest silence of a stream after its first content, in milliseconds: a process may be frozen for
 * 20 s, and one fault may follow another. A machine that answers everything except for the job itself
 * is given up after a minute.
 */
const longestSilenceMs = (faults: readonly WorldFault[]): number =>
  10_000 + Math.max(20_000, longestTroubleMs(faults));
/** Longest silence if one machine or leaf fails, in milliseconds: another one continues the answer. */
const MOVED_WITHIN_MS = 5_000;
/** After the last fault everything is served again within this time, in milliseconds. */
export const HEALED_WITHIN_MS = 30_000;

export const answerRules: readonly Rule[] = [
  {
    name: 'no token is wrong, missing in between, or doubled',
    broken: ({ book }) => each(book, wrongTokens),
  },
  {
    name: 'an answer that ends with [DONE] is whole',
    broken: ({ book }) =>
      each(book, (entry) => (entry.outcome === 'complete' ? missingTokens(entry) : undefined)),
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
    name: 'an answer that has begun does not stay silent',
    broken: ({ book, faults, machinesOf }) => {
      const limitMs = longestSilenceMs(faults);
      return each(book, ({ job = '', longestSilenceMs }) => {
        const machines = machinesOf.get(job) ?? [];
        const isTricked = faults.some(
          (fault) => fault.kind === 'hostile' && concerns(fault, machines),
        );
        return longestSilenceMs > limitMs && !isTricked
          ? `was silent for ${seconds(longestSilenceMs)}`
          : undefined;
      });
    },
  },
  {
    name: 'a request without content is refused by its status, not by an event of a stream',
    broken: ({ book }) =>
      each(book, ({ text, outcome, detail }) =>
        text === '' && outcome === 'error' ? `ended by the event ${detail}` : undefined,
      ),
  },
  {
    name: 'after the faults everything is served again',
    broken: ({ book, healedAt }) =>
      each(book, (entry) =>
        entry.askedAt >= healedAt + HEALED_WITHIN_MS && !endedWell(entry)
          ? `was asked ${seconds(entry.askedAt - healedAt)} after the last fault: ${endOf(entry)}`
          : undefined,
      ),
  },
  {
    name: 'while only machines fail, a request that has no content yet is served by another one',
    broken: (ended) =>
      onlyMachinesFail(ended)
        ? each(ended.book, (entry) =>
            entry.text === '' && !endedWell(entry) ? endOf(entry) : undefined,
          )
        : [],
  },
  {
    name: 'while only honest machines fail, an answer that has begun is continued by another one',
    broken: (ended) =>
      onlyMachinesFail(ended) && !ended.faults.some(({ kind }) => kind === 'hostile')
        ? each(ended.book, (entry) =>
            entry.text !== '' && !endedWell(entry) ? endOf(entry) : undefined,
          )
        : [],
  },
  {
    name: 'while one machine or leaf at a time is away, an answer is silent for 5 s at most',
    broken: ({ book, faults }) =>
      faults.length > 0 && areInTurn(faults) && faults.every(isOfMachine)
        ? each(book, ({ longestSilenceMs }) =>
            longestSilenceMs > MOVED_WITHIN_MS
              ? `was silent for ${seconds(longestSilenceMs)}`
              : undefined,
          )
        : [],
  },
  {
    name: 'while one of the two routers at a time is away, every request is served',
    broken: ({ book, faults }) =>
      faults.length > 0 && areInTurn(faults) && faults.every(({ host }) => isRouter(host))
        ? notServed(book)
        : [],
  },
  {
    name: 'while messages are only lost and doubled, every request is served',
    broken: ({ book, faults }) =>
      faults.length > 0 && faults.every(({ kind }) => kind === 'lossy') ? notServed(book) : [],
  },
  {
    name: 'an interruption of up to two seconds ends no answer and refuses no request',
    broken: ({ book, faults }) =>
      faults.length > 0 && interruptsAlone(faults) ? notServed(book) : [],
  },
  {
    name: 'when all jobs have ended, nothing is left of them in a process or machine',
    broken: ({ network }) => network.leftOfJobs(),
  },
  {
    name: 'only a customer without money is refused for money, and one without a key for its key',
    broken: ({ book }) =>
      each(book, (entry) =>
        (entry.outcome === 'unpaid' || entry.outcome === 'unknown_key') && !endedWell(entry)
          ? endOf(entry)
          : undefined,
      ),
  },
];

const isRouter = (host: string): boolean => host.startsWith('routing');

const endOf = ({ outcome, detail }: BookEntry): string => `${outcome}: ${detail ?? ''}`;

const notServed = (book: readonly BookEntry[]): string[] =>
  each(book, (entry) => (endedWell(entry) ? undefined : endOf(entry)));
