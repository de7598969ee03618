import type { SecretKey } from '#bus-schemas/platform.ts';
import { LruMap } from '../lru-map.ts';
import { type JobName, JobSeals } from './job-seals.ts';
import { CONTEXT_INFO, contextSecret, keyIdOf, suite } from './suite.ts';

interface SenderContext {
  readonly enc: Uint8Array;
  readonly secret: SecretKey;
  readonly keyId: string;
}

interface CachedContext {
  readonly context: Promise<SenderContext>;
  readonly madeAt: number;
}

const ROTATE_MS = 5 * 60_000;
/** A context that was dropped is replaced by a new one, with another key. */
const MAX_CONTEXTS = 10_000;

/**
 * The sender's side: one HPKE context for each provider key, replaced after five minutes. Most
 * requests therefore cost no public-key operation.
 */
export class RelaySenders {
  readonly #contexts = new LruMap<string, CachedContext>(MAX_CONTEXTS);
  readonly #clock: () => number;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  async sealFor(target: JobName & { recipient: Uint8Array }): Promise<JobSeals> {
    return new JobSeals(await this.#contextFor(target.recipient), target);
  }

  #contextFor(recipient: Uint8Array): Promise<SenderContext> {
    const keyId = keyIdOf(recipient);
    const cached = this.#contexts.get(keyId);
    if (cached !== undefined && this.#clock() - cached.madeAt < ROTATE_MS) return cached.context;
    const context = setUp(recipient, keyId);
    this.#contexts.set(keyId, { context, madeAt: this.#clock() });
    context.catch(() => {
      if (this.#contexts.get(keyId)?.context === context) this.#contexts.delete(keyId);
    });
    return context;
  }
}

async function setUp(recipient: Uint8Array, keyId: string): Promise<SenderContext> {
  const publicKey = await suite.DeserializePublicKey(recipient);
  const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, { info: CONTEXT_INFO });
  return { enc: encapsulatedSecret, secret: await contextSecret(ctx), keyId };
}
