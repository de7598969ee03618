import { newJobId } from '#bus-schemas';
import { ApiError } from '../errors.ts';
import type { JobSpec } from '../job-run.ts';
import type { Jobs } from '../jobs.ts';
import type { MinuteCounts } from '../limits/minute-counts.ts';
import type { EvidenceCache } from './evidence-cache.ts';
import { OpenSessions, type SessionTurn } from './open-sessions.ts';
import { type Guess, SealedExchange } from './sealed-exchange.ts';

interface Session {
  /** Whoever asked for it, and nobody else, may use it. */
  readonly key: string;
  readonly exchange: SealedExchange;
  readonly job: { clientGone(): void; clientReady(): void };
  readonly mostBytes: number;
}

const MAX_ISSUED = 100_000;
/**
 * Requests of one key in a minute that no provider could open. Each costs a provider a decryption
 * and takes a place for nothing.
 */
const MAX_BADLY_SEALED = 10;

interface SealedSessionsOptions {
  readonly jobs: Jobs;
  readonly evidence: EvidenceCache;
  readonly badlySealed: MinuteCounts;
  readonly clock: () => number;
}

/**
 * Sealed jobs that this ingress holds a place and money for. Each ends by itself: the job's own
 * times bound how long it is kept.
 */
export class SealedSessions {
  readonly #jobs: Jobs;
  readonly #evidence: EvidenceCache;
  readonly #badlySealed: MinuteCounts;
  readonly #open: OpenSessions;
  readonly #sessions = new Map<string, Session>();
  /** Names for jobs to come, each good once and for its key alone. */
  readonly #issued = new Map<string, string>();

  /** `badlySealed` counts, by key, requests that no provider could open. */
  constructor({ jobs, evidence, badlySealed, clock }: SealedSessionsOptions) {
    this.#jobs = jobs;
    this.#open = new OpenSessions(clock);
    this.#evidence = evidence;
    this.#badlySealed = badlySealed;
  }

  /**
   * The right to open a session that waits for its client. Waits while too many of its key do, and
   * rejects in the end.
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
   * A session that waits for its client, in its turn, or one whose order came with a guess of the
   * machine. Throws where too many requests of
   * its key could not be opened.
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

  /** A name that a client may seal its next request under, without asking first. */
  issue(key: string): string {
    const job = newJobId();
    if (this.#issued.size >= MAX_ISSUED) {
      const [oldest] = this.#issued.keys();
      if (oldest !== undefined) this.#issued.delete(oldest);
    }
    this.#issued.set(job, key);
    return job;
  }

  /** False where it was not issued to this key, or was used. */
  redeem(job: string, key: string): boolean {
    return this.#issued.get(job) === key && this.#issued.delete(job);
  }

  /** Frees the place and the money of a session whose client rejects the offer. */
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
