import { hash } from 'node:crypto';
import { MAX_STORED_BUILDS, type StoredAt, type StoredSpeed } from './machine-memory.ts';

/**
 * Measures how fast each slot decodes, from the time between first content and end of its answers.
 * A client that reads slowly makes an answer look slow. Therefore the fastest of the last answers
 * counts, and each account contributes only a few of them.
 */
const MAX_ANSWERS = 8;
const MAX_ANSWERS_OF_ACCOUNT = 2;
/** Number of answers from which on the measurement counts: a single one may be an outlier. */
const MIN_ANSWERS = 2;
/** Shorter answers mostly measure the delay of bus and timers. */
const MIN_TOKENS = 16;
/**
 * Older answers do not count, so that a machine that looked slow and gets no work is tried again.
 */
const FORGET_MS = 10 * 60_000;

export interface MeasuredSpeed {
  /** Milliseconds from one token to the next; 0 if there are too few answers. */
  readonly tokenMs: number;
}

interface Answer {
  /** The number of the account. */
  readonly by: number;
  readonly tokenMs: number;
  readonly at: number;
}

interface SpeedRecord {
  tokenMs: number;
  answers: readonly Answer[];
}

export interface MeasuredAnswer {
  readonly account: string;
  readonly tokens: number;
  /** Time from the first content to the end, in milliseconds. */
  readonly tookMs: number;
}

export class MeasuredSpeeds {
  /** Indexed by provider, then by build. */
  readonly #records = new Map<string, Map<string, SpeedRecord>>();

  of(provider: string, build: string): MeasuredSpeed {
    let builds = this.#records.get(provider);
    if (builds === undefined) {
      builds = new Map();
      this.#records.set(provider, builds);
    }
    let record = builds.get(build);
    if (record === undefined) {
      record = { tokenMs: 0, answers: [] };
      builds.set(build, record);
    }
    return record;
  }

  learn(
    provider: string,
    build: string,
    { account, tokens, tookMs }: MeasuredAnswer,
    now: number,
  ): void {
    const record = this.#records.get(provider)?.get(build);
    if (record === undefined || tokens < MIN_TOKENS) return;
    const by = numberOf(account);
    const answer = { by, tokenMs: Math.max(1, tookMs) / tokens, at: now };
    const ofOthers = record.answers.filter((other) => other.by !== by);
    const ofAccount = record.answers.filter((other) => other.by === by);
    const kept = [...ofOthers, ...ofAccount.slice(-(MAX_ANSWERS_OF_ACCOUNT - 1)), answer];
    updateSpeed(record, kept.toSorted((one, other) => one.at - other.at).slice(-MAX_ANSWERS));
  }

  /** The measured answers of the provider's slots in the form that a later router reads. */
  stored(provider: string, now: number): StoredSpeed[] {
    return [...(this.#records.get(provider) ?? [])]
      .filter(([, { answers }]) => answers.length > 0)
      .toSorted(([, one], [, other]) => lastOf(other.answers) - lastOf(one.answers))
      .slice(0, MAX_STORED_BUILDS)
      .map(([build, { answers }]) => ({
        build,
        answers: answers.map(({ by, tokenMs, at }) => ({
          by,
          tokenMs,
          quietMs: Math.max(0, now - at),
        })),
      }));
  }

  /**
   * Takes over answers that were stored at the time `at` and still count, for each slot of which
   * this router has not measured a later answer itself.
   */
  restore(
    provider: string,
    { build, answers }: StoredSpeed,
    { at: storedAt, now, isOwn }: StoredAt,
  ): void {
    const fresh = answers
      .map(({ by, tokenMs, quietMs }) => ({ by, tokenMs, at: storedAt - quietMs }))
      .filter(({ at }) => now - at < FORGET_MS)
      .toSorted((one, other) => one.at - other.at);
    if (fresh.length === 0) return;
    const known = this.#records.get(provider)?.get(build)?.answers ?? [];
    if (known.length > 0 && (isOwn || lastOf(known) >= lastOf(fresh))) return;
    this.of(provider, build);
    updateSpeed(this.#records.get(provider)?.get(build) as SpeedRecord, fresh);
  }

  /**
   * Notes that the machine no longer lists this slot. Its record is kept while it has answers, so
   * that a machine cannot erase a bad record by leaving the slot out of one message.
   */
  unlist(provider: string, build: string): void {
    const builds = this.#records.get(provider);
    if (builds?.get(build)?.answers.length === 0) builds.delete(build);
  }

  sweep(now: number, isListed: (provider: string, build: string) => boolean): void {
    for (const [provider, builds] of this.#records) {
      for (const [build, record] of builds) {
        if (record.answers.length === 0) {
          if (!isListed(provider, build)) builds.delete(build);
          continue;
        }
        const fresh = record.answers.filter(({ at }) => now - at < FORGET_MS);
        if (fresh.length < record.answers.length) updateSpeed(record, fresh);
      }
      if (builds.size === 0) this.#records.delete(provider);
    }
  }
}

function updateSpeed(record: SpeedRecord, answers: readonly Answer[]): void {
  record.answers = answers;
  record.tokenMs =
    answers.length < MIN_ANSWERS ? 0 : Math.min(...answers.map(({ tokenMs }) => tokenMs));
}

const lastOf = (answers: readonly Answer[]) => answers.at(-1)?.at ?? 0;

/**
 * A number for each account, the same in every router, so that the answers of an account are
 * counted together when one router takes over the records of another. Of 268 million numbers, two
 * accounts rarely share one; if they do, each contributes fewer answers.
 */
const numberOf = (account: string): number =>
  Number.parseInt(hash('sha256', account).slice(0, 7), 16);
