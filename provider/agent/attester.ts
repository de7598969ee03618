import type { Logger } from 'pino';
import {
  isSame,
  type Judgement,
  type Posture,
  providerSubjects,
  type Signer,
  SUITE_ID,
  signEvidence,
  TrustWord,
  trustFaultTexts,
  type WeightsDigest,
} from '#bus-schemas';

/** By what a machine is known. */
export interface Identity {
  readonly provider: string;
  /** Its own key on the bus. */
  readonly busKey: string;
  /** Signs what was done, and what it says of itself. */
  readonly signer: Signer;
  readonly keyStore: 'secure_enclave' | 'software';
  readonly codeHash: Uint8Array;
  /** Asked at every challenge: somebody may have switched a protection off. */
  readonly posture: () => Promise<Posture>;
  /** Apple's word for the signing key, where there is one. */
  readonly certificates?: readonly Uint8Array[];
}

export interface AttesterOptions {
  readonly identity: Identity;
  readonly agentVersion: string;
  readonly simulated: boolean;
  /** Of the builds that it serves. */
  readonly weights: () => readonly WeightsDigest[];
  readonly publish: (subject: string, payload: Uint8Array) => void;
  /** The key that it wants to serve with, and the one that it may. */
  readonly keys: { readonly wanted: Uint8Array; trusted(key: Uint8Array): void };
  readonly log: Logger;
  /** Milliseconds that only rise, and those since 1970. */
  readonly clock: () => number;
  readonly now: () => number;
}

/** Words are lost, and so are answers: it asks until it is told what it is, ever more slowly. */
const FIRST_PAUSE_MS = 100;
const SLOWER = 1.6;
const LONGEST_PAUSE_MS = 30_000;
/** Nobody challenged it for so long: we may have been forgotten. */
const FORGOTTEN_MS = 12 * 60_000;

/**
 * Has the network trust this machine: asks to be challenged, answers with signed evidence, and says
 * in the log what came of it.
 */
export class Attester {
  readonly #options: AttesterOptions;
  #askAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;
  #said = '';

  constructor(options: AttesterOptions) {
    this.#options = options;
  }

  /** From the beginning: there is a new key, or a new hub. */
  ask(): void {
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#askAt = Number.NEGATIVE_INFINITY;
    this.tick();
  }

  tick(): void {
    const { clock, publish, keys } = this.#options;
    if (clock() < this.#askAt) return;
    this.#askAt = clock() + this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * SLOWER);
    publish(providerSubjects.up('trust'), TrustWord.encode({ t: 'ask', sealingKey: keys.wanted }));
  }

  async challenged({ nonce }: { nonce: Uint8Array }): Promise<void> {
    const { identity, agentVersion, simulated, publish, keys, now, clock } = this.#options;
    const weights = this.#options.weights();
    const { provider, busKey, signer, keyStore, codeHash, posture, certificates } = identity;
    const evidence = signEvidence(signer, {
      provider,
      busKey,
      keyStore,
      codeHash,
      agentVersion,
      simulated,
      nonce,
      at: now(),
      suite: SUITE_ID,
      sealingKey: keys.wanted,
      posture: await posture(),
      ...(weights.length > 0 && { weights: [...weights] }),
    });
    publish(
      providerSubjects.up('trust'),
      TrustWord.encode({
        t: 'evidence',
        evidence: { ...evidence, ...(certificates && { certificates: [...certificates] }) },
      }),
    );
    // What comes of it may be lost too.
    this.#askAt = clock() + Math.max(this.#pauseMs, FIRST_PAUSE_MS);
  }

  judged({ standing, level, fault, sealingKey }: Judgement): void {
    const { clock, keys, log } = this.#options;
    const isOurs = sealingKey !== undefined && isSame(sealingKey, keys.wanted);
    if (standing === 'verified' && isOurs) {
      this.#askAt = clock() + FORGOTTEN_MS;
      this.#pauseMs = FIRST_PAUSE_MS;
      keys.trusted(sealingKey);
    } else if (standing === 'untrusted') {
      // Only an operator can change that, and he has it challenged.
      this.#askAt = Number.POSITIVE_INFINITY;
    }
    const said = `${standing} ${level} ${fault}`;
    if (said === this.#said) return;
    this.#said = said;
    if (fault === undefined) log.info({ standing, level }, 'what this machine is taken for');
    else log.error({ standing, fault }, `this machine is not trusted: ${trustFaultTexts[fault]}`);
  }
}
