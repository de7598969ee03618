import { LruMap } from '#bus-schemas';
import type { WindowCounts } from '#coordinator/window-counts.ts';
import { ApiError } from '#http-api/errors.ts';
import type { JobSpec } from '../job-spec.ts';
import type { Jobs } from '../jobs.ts';
import type { EvidenceCache } from './evidence-cache.ts';
import { OpenSessions, type SessionTurn } from './open-sessions.ts';
import { type Guess, SealedExchange } from './sealed-exchange.ts';

interface Session {
  /** The API key that opened the session; no other key may use it. */
  readonly key: string;
  readonly exchange: SealedExchange;
  readonly job: { clientGone(): void; clientReady(): void };
  readonly mostBytes: number;
}

const MAX_ISSUED = 100_000;
/**
 * Requests of one key within a minute that no provider could open. Each costs a provider a
 * decryption and occupies a slot for nothing.
 */
const MAX_BADLY_SEALED = 10;

interface SealedSessionsOptions {
  readonly jobs: Jobs;
  readonly newJobId: () => string;
  readonly evidence: EvidenceCache;
  readonly badlySealed: WindowCounts;
  readonly clock: () => number;
}

/**
 * The sealed jobs for which this ingress holds a slot and money. The time limits of a job end its
 * session too.
 */
export class SealedSessions {
  readonly #jobs: Jobs;
  readonly #newJobId: () => string;
  readonly #evidence: EvidenceCache;
  readonly #badlySealed: WindowCounts;
  readonly #open: OpenSessions;
  readonly #sessions = new Map<string, Session>();
  /**
   * Job ids assigned in advance, with the API key that may use each of them once. An id that was
   * dropped cannot be used: its client opens a session.
   */
  readonly #issued = new LruMap<string, string>(MAX_ISSUED);

  /** `badlySealed` counts, for each key, requests that no provider could open. */
  constructor({ jobs, newJobId, evidence, badlySealed, clock }: SealedSessionsOptions) {
    this.#jobs = jobs;
    this.#newJobId = newJobId;
    this.#open = new OpenSessions(clock);
    this.#evidence = evidence;
    this.#badlySealed = badlySealed;
  }

  /**
   * Takes a turn for a new session that will wait for its client. It waits while too many sessions
   * of the key do, and rejects after two seconds.
   */
  turn(key: string): Promise<SessionTurn> {
    this.#checkSeals(key);
    return this.#open.take(key);
  }

  #checkSeals(key: string): void {
    const bad = this.#badlySealed.of(key);
    if (bad < MAX_BADLY_SEALED) return;
    const options = { retryAfterMs: this.#badlySealed.leftMs };
    throw new ApiError(
      'rate_limit_exceeded',
      `Providers could not open ${bad} sealed requests of this key within a minute.`,
      options,
    );
  }

  /**
   * Opens a session that waits for its client in its turn, or one whose order came with a guess of
   * the machine. Throws if too many requests of the key could not be opened.
   */
  open(
    spec: Omit<JobSpec, 'seal' | 'clientSeals' | 'streamed'>,
    mostBytes: number,
    by: { turn: SessionTurn } | { guess: Guess },
  ): Session {
    if ('guess' in by) this.#checkSeals(spec.key);
    const exchange = new SealedExchange({
      evidenceFor: ({ candidate }) => this.#evidence.of(candidate.provider, candidate.sealingKey),
      onOver: () => void this.#sessions.delete(spec.id),
      onBadlySealed: () => this.#badlySealed.add(spec.key),
      tryTurn: () => this.#open.tryTake(spec.key),
      ...by,
    });
    const job = this.#jobs.start(
      { ...spec, clientSeals: true, streamed: true, seal: (attempt) => exchange.seal(attempt) },
      exchange,
    );
    const session = { key: spec.key, exchange, job, mostBytes };
    this.#sessions.set(spec.id, session);
    return session;
  }

  /**
   * Assigns the id of a future job, under which the client may order without opening a session
   * first.
   */
  issue(key: string): string {
    const job = this.#newJobId();
    this.#issued.set(job, key);
    return job;
  }

  /**
   * Uses up an assigned id. False if it was not assigned to this key, or is used already: a client
   * must not send two requests under one id.
   */
  redeem(job: string, key: string): boolean {
    return this.#issued.get(job) === key && this.#issued.delete(job);
  }

  /** Releases the slot and the money of a session whose client rejects the offer. */
  cancel(job: string, key: string): 'cancelled' | 'running' | 'unknown' {
    const session = this.of(job, key);
    if (session === undefined) return 'unknown';
    if (session.exchange.isAnswering) return 'running';
    session.job.clientGone();
    session.exchange.cancel();
    return 'cancelled';
  }

  of(job: string, key: string): Session | undefined {
    const session = this.#sessions.get(job);
    return session?.key === key ? session : undefined;
  }
}
