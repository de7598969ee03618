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
  readonly account: string;
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
    const answer = { account, tokenMs: Math.max(1, tookMs) / tokens, at: now };
    const ofOthers = record.answers.filter((other) => other.account !== account);
    const ofAccount = record.answers.filter((other) => other.account === account);
    const kept = [...ofOthers, ...ofAccount.slice(-(MAX_ANSWERS_OF_ACCOUNT - 1)), answer];
    updateSpeed(record, kept.toSorted((one, other) => one.at - other.at).slice(-MAX_ANSWERS));
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
