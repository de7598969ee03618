import type { JobSpec } from '../job-run.ts';
import type { Jobs } from '../jobs.ts';
import type { EvidenceCache } from './evidence-cache.ts';
import { SealedExchange } from './sealed-exchange.ts';

interface Session {
  /** Whoever asked for it, and nobody else, may use it. */
  readonly key: string;
  readonly exchange: SealedExchange;
  readonly job: { clientGone(): void; clientReady(): void };
  readonly mostBytes: number;
}

/** Sealed jobs that this ingress holds a place and money for. Each ends by itself: the job's own times bound how long it is kept. */
export class SealedSessions {
  readonly #jobs: Jobs;
  readonly #evidence: EvidenceCache;
  readonly #sessions = new Map<string, Session>();

  constructor(jobs: Jobs, evidence: EvidenceCache) {
    this.#jobs = jobs;
    this.#evidence = evidence;
  }

  open(spec: Omit<JobSpec, 'seal' | 'clientSeals' | 'streamed'>, mostBytes: number): Session {
    const exchange = new SealedExchange({
      evidenceFor: ({ candidate }) => this.#evidence.of(candidate.provider, candidate.sealingKey),
      onOver: () => void this.#sessions.delete(spec.id),
    });
    const job = this.#jobs.start({ ...spec, clientSeals: true, streamed: true, seal: (attempt) => exchange.seal(attempt) }, exchange);
    const session = { key: spec.key, exchange, job, mostBytes };
    this.#sessions.set(spec.id, session);
    return session;
  }

  of(job: string, key: string): Session | undefined {
    const session = this.#sessions.get(job);
    return session?.key === key ? session : undefined;
  }
}
