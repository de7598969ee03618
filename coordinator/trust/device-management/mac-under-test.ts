import { randomBytes } from 'node:crypto';
import { vi } from 'vitest';
import {
  Challenge,
  codeHash,
  core,
  Judgement,
  newP256Key,
  type Posture,
  p256Signer,
  SUITE_ID,
  services,
  signEvidence,
  TrustMessage,
} from '#bus-schemas';
import { enrolMachine, type Trust } from '../trust-under-test.ts';

const CALL = { timeoutMs: 10_000 };
/** All protections of the operating system are on. */
export const ON: Posture = {
  systemIntegrity: 'on',
  secureBoot: 'on',
  authenticatedRoot: 'on',
  debuggersDenied: 'on',
};
const WAIT = { timeout: 15_000 };
/** Computed once, because the source code may change during a test run. */
const CODE = codeHash();

export interface MacClaims {
  readonly keyStore?: 'secure_enclave' | 'software';
  readonly simulated?: boolean;
}

/** A Mac as the hub presents it, which answers every challenge correctly. */
export class MacUnderTest {
  readonly signer = p256Signer(newP256Key());
  readonly provider: string;
  readonly judgements: Judgement[] = [];
  readonly #trust: Trust;
  readonly #busKey: string;
  readonly #claims: MacClaims;
  readonly #sealingKey = randomBytes(32);

  private constructor({
    trust,
    provider,
    busKey,
    claims,
  }: { trust: Trust; provider: string; busKey: string; claims: MacClaims }) {
    this.#trust = trust;
    this.provider = provider;
    this.#busKey = busKey;
    this.#claims = claims;
    trust.bus.subscribe({
      subject: core.down(provider, 'judgement'),
      kind: Judgement,
      handle: (judgement) => void this.judgements.push(judgement),
    });
    trust.bus.subscribe({
      subject: core.down(provider, 'challenge'),
      kind: Challenge,
      handle: ({ nonce }) => this.#show(nonce),
    });
  }

  /**
   * Enrols the Mac and waits until it is verified by its own evidence. With a serial number, the
   * operator also assigns it to that device.
   */
  static async verified(
    trust: Trust,
    serial?: string,
    claims: MacClaims = {},
  ): Promise<MacUnderTest> {
    const { provider, key } = await enrolMachine(trust);
    const mac = new MacUnderTest({ trust, provider, busKey: key.getPublicKey(), claims });
    await trust.bus.connection.flush();
    mac.ask();
    await mac.becomes({ standing: 'verified', level: 'self_signed' });
    if (serial !== undefined)
      await trust.bus.call(services.trust.assignDevice, { provider: mac.provider, serial }, CALL);
    return mac;
  }

  ask(): void {
    this.#trust.bus.publish(core.up(this.provider, 'trust'), TrustMessage, {
      t: 'ask',
      sealingKey: this.#sealingKey,
    });
  }

  /** Waits until the last judgement has these properties. */
  async becomes(judgement: Partial<Judgement>): Promise<void> {
    await vi.waitFor(() => {
      const last = this.judgements.at(-1);
      if (
        last === undefined ||
        Object.entries(judgement).some(([name, value]) => last[name as keyof Judgement] !== value)
      )
        throw new Error(`${JSON.stringify(judgement)} is not ${JSON.stringify(last)}`);
    }, WAIT);
  }

  /** Triggers one more challenge and returns the judgement that follows. */
  async shownAgain(): Promise<Judgement | undefined> {
    const before = this.judgements.length;
    await this.#trust.database.query('UPDATE verdicts SET wake_at = 0 WHERE provider = $1', [
      this.provider,
    ]);
    await vi.waitFor(() => {
      if (this.judgements.length === before) throw new Error('not judged again');
    }, WAIT);
    return this.judgements.at(-1);
  }

  #show(nonce: Uint8Array): void {
    const evidence = signEvidence(this.signer, {
      provider: this.provider,
      keyStore: 'secure_enclave',
      suite: SUITE_ID,
      sealingKey: this.#sealingKey,
      busKey: this.#busKey,
      agentVersion: '0.1.0',
      codeHash: CODE,
      simulated: false,
      posture: ON,
      at: Date.now(),
      nonce,
      ...this.#claims,
    });
    this.#trust.bus.publish(core.up(this.provider, 'trust'), TrustMessage, {
      t: 'evidence',
      evidence,
    });
  }
}
