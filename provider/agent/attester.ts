import type { Logger } from 'pino';
import {
  isSame,
  type Judgement,
  type Nkey,
  type Posture,
  providerSubjects,
  type Signer,
  SUITE_ID,
  signEvidence,
  TrustMessage,
  trustFaultTexts,
  type WeightsDigest,
} from '#bus-schemas';

/** The keys and facts by which the network identifies a machine. */
export interface Identity {
  readonly provider: string;
  /** Key with which the machine's leaf node connects to the hub. */
  readonly busKey: Nkey;
  /** Signs the receipts and the evidence of this machine. */
  readonly signer: Signer;
  readonly keyStore: 'secure_enclave' | 'software';
  readonly codeHash: Uint8Array;
  /** Called at every challenge, because a protection may have been switched off since the last. */
  readonly posture: () => Promise<Posture>;
  /** Certificate chain from Apple for the signing key, if the machine has one. */
  readonly certificates?: readonly Uint8Array[];
}

export interface AttesterOptions {
  readonly identity: Identity;
  readonly agentVersion: string;
  readonly simulated: boolean;
  /** Whether a program that is in no release of the network runs the models. */
  readonly isExternal: boolean;
  /** Returns the digests of the weights of all builds that this machine serves. */
  readonly weights: () => readonly WeightsDigest[];
  readonly publish: (subject: string, payload: Uint8Array) => void;
  /** `wanted` is the key to have trusted; `trusted` is called when the network trusts it. */
  readonly keys: { readonly wanted: Uint8Array; trusted(key: Uint8Array): void };
  readonly log: Logger;
  /** Monotonic time in milliseconds. */
  readonly clock: () => number;
  /** Time in milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Pause after the first request for a challenge, in milliseconds. Requests and answers can be lost,
 * so the request is repeated until a judgement arrives. Each pause is SLOWER times as long as the
 * one before, LONGEST_PAUSE_MS at most.
 */
const FIRST_PAUSE_MS = 100;
const SLOWER = 1.6;
const LONGEST_PAUSE_MS = 30_000;
/**
 * Time after a judgement without another one, in milliseconds, after which the machine requests a
 * challenge: the coordinator may have lost its record of this machine.
 */
const CHALLENGE_AGAIN_MS = 12 * 60_000;

/**
 * Obtains the trust of the network for this machine: requests a challenge, answers it with signed
 * evidence, and logs each judgement that differs from the one before.
 */
export class Attester {
  readonly #options: AttesterOptions;
  #askAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;
  #lastJudgement = '';

  constructor(options: AttesterOptions) {
    this.#options = options;
  }

  /** Requests a challenge at once and starts again with the shortest pause, as for a new key. */
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
    publish(
      providerSubjects.up('trust'),
      TrustMessage.encode({ t: 'ask', sealingKey: keys.wanted }),
    );
  }

  async challenged({ nonce }: { nonce: Uint8Array }): Promise<void> {
    const { identity, agentVersion, simulated, isExternal, publish, keys, now, clock } =
      this.#options;
    const weights = this.#options.weights();
    const { provider, busKey, signer, keyStore, codeHash, posture, certificates } = identity;
    const claims = {
      provider,
      busKey: busKey.getPublicKey(),
      keyStore,
      codeHash,
      agentVersion,
      simulated,
      ...(isExternal && { engine: 'external' as const }),
      nonce,
      at: now(),
      suite: SUITE_ID,
      sealingKey: keys.wanted,
      posture: await posture(),
      ...(weights.length > 0 && { weights: [...weights] }),
    };
    const evidence = signEvidence(signer, claims, busKey);
    publish(
      providerSubjects.up('trust'),
      TrustMessage.encode({
        t: 'evidence',
        evidence: { ...evidence, ...(certificates && { certificates: [...certificates] }) },
      }),
    );
    // The judgement may be lost too, so the request is repeated after a pause.
    this.#askAt = clock() + Math.max(this.#pauseMs, FIRST_PAUSE_MS);
  }

  judged({ standing, level, fault, sealingKey }: Judgement): void {
    const { clock, keys, log } = this.#options;
    const isOurs = sealingKey !== undefined && isSame(sealingKey, keys.wanted);
    if (standing === 'verified' && isOurs) {
      this.#askAt = clock() + CHALLENGE_AGAIN_MS;
      this.#pauseMs = FIRST_PAUSE_MS;
      keys.trusted(sealingKey);
    } else if (standing === 'untrusted') {
      // Only an operator can restore trust, and the coordinator then challenges the machine.
      this.#askAt = Number.POSITIVE_INFINITY;
    }
    const judgement = `${standing} ${level} ${fault}`;
    if (judgement === this.#lastJudgement) return;
    this.#lastJudgement = judgement;
    if (fault === undefined)
      log.info({ standing, level }, 'the network has judged how far it trusts this machine');
    else log.error({ standing, fault }, `this machine is not trusted: ${trustFaultTexts[fault]}`);
  }
}
