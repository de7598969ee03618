import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { PROOF_BYTES } from '#bus-schemas';
import { coreKey, readCoreSeed } from './core-secret.ts';

/** Number of tokens of one attempt that its client has received. */
export interface DeliveredTokens {
  readonly provider: string;
  readonly job: string;
  readonly attempt: number;
  readonly tokens: number;
}

const PURPOSE = 'dinf delivery proofs 1';

/**
 * Proofs of the number of tokens that a client has received. The ingress sends the newest proof to
 * the provider with each flow report, and the provider returns it with its receipt. If the ingress
 * has died, settlement charges for the proven tokens only.
 *
 * The attack that a proof prevents: a provider that states in its receipt more tokens than the
 * client received. Job, attempt and provider are part of the proof, so that the proof of one job is
 * invalid for another.
 */
export class DeliveryProofs {
  readonly #key: KeyObject;

  constructor(secret: string) {
    this.#key = createSecretKey(coreKey(secret, PURPOSE));
  }

  /** Derives the key from credentials that all components have and no provider has. */
  static async open(coreCredentials: string): Promise<DeliveryProofs> {
    return new DeliveryProofs(await readCoreSeed(coreCredentials));
  }

  prove({ provider, job, attempt, tokens }: DeliveredTokens): Uint8Array {
    return createHmac('sha256', this.#key)
      .update(`${provider} ${job} ${attempt} ${tokens}`)
      .digest()
      .subarray(0, PROOF_BYTES);
  }

  isProven(delivered: DeliveredTokens, proof: Uint8Array): boolean {
    return proof.length === PROOF_BYTES && timingSafeEqual(this.prove(delivered), proof);
  }
}
