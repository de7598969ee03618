import { type Evidence, isSame, LruMap, services, type TrustLevel } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { answerIfAny } from '../call-until.ts';

interface Known {
  readonly evidence: Evidence;
  readonly level: TrustLevel;
  readonly at: number;
}

/**
 * Lifetime of an entry, in milliseconds. Machines renew their evidence every five minutes, so
 * offers have evidence that is at most a minute older than necessary.
 */
const GOOD_MS = 60_000;
const MAX_KNOWN = 20_000;
const CALL = { eachMs: 2_000, totalMs: 4_000 };

/** The evidence of providers, for clients that verify it. */
export class EvidenceCache {
  readonly #bus: Bus;
  readonly #clock: () => number;
  readonly #known = new LruMap<string, Known>(MAX_KNOWN);

  constructor(bus: Bus, clock: () => number) {
    this.#bus = bus;
    this.#clock = clock;
  }

  /**
   * The evidence of this provider with this sealing key; undefined if it has none that is valid.
   */
  async of(provider: string, sealingKey: Uint8Array): Promise<Known | undefined> {
    const known = this.#known.get(provider);
    if (known !== undefined && this.#clock() - known.at < GOOD_MS && isFor(known, sealingKey))
      return known;
    const answer = await answerIfAny(this.#bus, services.trust.evidence, { provider }, CALL);
    if (!answer?.ok) return undefined;
    const fresh = { evidence: answer.evidence, level: answer.level, at: this.#clock() };
    this.#known.set(provider, fresh);
    return isFor(fresh, sealingKey) ? fresh : undefined;
  }
}

const isFor = ({ evidence }: Known, sealingKey: Uint8Array): boolean =>
  isSame(evidence.sealingKey, sealingKey);
