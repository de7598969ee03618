import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { PROOF_BYTES } from '#bus-schemas';

/** Number of tokens of one attempt that its client has received. */
export interface DeliveredTokens {
  readonly provider: string;
  readonly job: string;
  readonly attempt: number;
  readonly tokens: number;
}

const PURPOSE = 'dinf delivery proofs 1';
const KEY_BYTES = 32;

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
  readonly #key: Uint8Array;

  constructor(secret: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', PURPOSE, KEY_BYTES));
  }

  /** Derives the key from credentials that all components have and no provider has. */
  static async open(coreCredentials: string): Promise<DeliveryProofs> {
    const text = await readFile(coreCredentials, 'utf8');
    const seed = /NKEY SEED-+\s+(\S+)/.exec(text)?.[1];
    if (seed === undefined)
      throw new Error(
        `${coreCredentials} contains no seed, so these are not the credentials of components`,
      );
    return new DeliveryProofs(seed);
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
