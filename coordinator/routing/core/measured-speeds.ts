/**
 * Measures how fast each slot decodes, from the time between first content and end of its answers.
 * A client that reads slowly makes an answer look slow. Therefore the fastest of the last answers
 * counts, and each account contributes only a few of them.
 */
const KEPT = 8;
const KEPT_OF_ACCOUNT = 2;
/** Number of answers from which on the measurement counts: a single one may be an outlier. */
const ENOUGH = 2;
/** Shorter answers mostly measure the delay of bus and timers. */
const MIN_TOKENS = 16;
/**
 * Older answers do not count, so that a machine that looked slow and gets no work is tried again.
 */
const FORGET_MS = 10 * 60_000;

export interface Measured {
  /** Milliseconds from one token to the next; 0 if there are too few answers. */
  readonly tokenMs: number;
}

interface Answer {
  readonly account: string;
  readonly tokenMs: number;
  readonly at: number;
}

interface Seen {
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
  readonly #seen = new Map<string, Map<string, Seen>>();

  of(provider: string, build: string): Measured {
    let builds = this.#seen.get(provider);
    if (builds === undefined) {
      builds = new Map();
      this.#seen.set(provider, builds);
    }
    let seen = builds.get(build);
    if (seen === undefined) {
      seen = { tokenMs: 0, answers: [] };
      builds.set(build, seen);
    }
    return seen;
  }

  learn(
    provider: string,
    build: string,
    { account, tokens, tookMs }: MeasuredAnswer,
    now: number,
  ): void {
    const seen = this.#seen.get(provider)?.get(build);
    if (seen === undefined || tokens < MIN_TOKENS) return;
    const answer = { account, tokenMs: Math.max(1, tookMs) / tokens, at: now };
    const ofOthers = seen.answers.filter((other) => other.account !== account);
    const ofAccount = seen.answers.filter((other) => other.account === account);
    const kept = [...ofOthers, ...ofAccount.slice(-(KEPT_OF_ACCOUNT - 1)), answer];
    judge(seen, kept.toSorted((one, other) => one.at - other.at).slice(-KEPT));
  }

  /**
   * Notes that the machine no longer lists this slot. Its record is kept while it has answers, so
   * that a machine cannot erase a bad record by leaving the slot out of one message.
   */
  unlist(provider: string, build: string): void {
    const builds = this.#seen.get(provider);
    if (builds?.get(build)?.answers.length === 0) builds.delete(build);
  }

  sweep(now: number, isListed: (provider: string, build: string) => boolean): void {
    for (const [provider, builds] of this.#seen) {
      for (const [build, seen] of builds) {
        if (seen.answers.length === 0) {
          if (!isListed(provider, build)) builds.delete(build);
          continue;
        }
        const fresh = seen.answers.filter(({ at }) => now - at < FORGET_MS);
        if (fresh.length < seen.answers.length) judge(seen, fresh);
      }
      if (builds.size === 0) this.#seen.delete(provider);
    }
  }
}

function judge(seen: Seen, answers: readonly Answer[]): void {
  seen.answers = answers;
  seen.tokenMs = answers.length < ENOUGH ? 0 : Math.min(...answers.map(({ tokenMs }) => tokenMs));
}
