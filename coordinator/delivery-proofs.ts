import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { PROOF_BYTES } from '#bus-schemas';

/** Tokens of one attempt that its client has taken. */
export interface DeliveredTokens {
  readonly provider: string;
  readonly job: string;
  readonly attempt: number;
  readonly tokens: number;
}

const PURPOSE = 'dinf delivery proofs 1';
const KEY_BYTES = 32;

/**
 * Proofs of how many tokens a client has taken. The ingress sends the newest one to the provider
 * with each flow report, and the
 * provider returns it with its receipt. When the ingress has died, settlement charges for the
 * proven tokens and no others.
 *
 * The attack that a proof prevents: a provider that states in its receipt more tokens than the
 * client received. Job, attempt and
 * provider are part of the proof, so that a proof of one job is worth nothing for another.
 */
export class DeliveryProofs {
  readonly #key: Uint8Array;

  constructor(secret: string) {
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', PURPOSE, KEY_BYTES));
  }

  /** With a key derived from the credentials that all components have, and no provider. */
  static async open(coreCredentials: string): Promise<DeliveryProofs> {
    const text = await readFile(coreCredentials, 'utf8');
    const seed = /NKEY SEED-+\s+(\S+)/.exec(text)?.[1];
    if (seed === undefined)
      throw new Error(`${coreCredentials} holds no seed: these are no credentials of components`);
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
