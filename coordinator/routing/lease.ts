import { setTimeout as delay } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/nats-core';

const BUCKET = 'LEASES';
const MAX_BYTES = 1024 * 1024;
const RENEW_MS = 150;
/** Of one question to the store: shorter than a lease, so that a lost answer does not cost it. */
const ASK_MS = 300;
/** How long a holder may act on its last renewal, counted from before it was sent. */
const LEASE_MS = 800;
/** How long another must have seen nothing new before it takes over: longer than a lease, clocks being what they are. */
const TAKE_OVER_MS = 1_000;

export interface LeaseOptions {
  readonly connection: NatsConnection;
  readonly name: string;
  /** Unlike any other's, and unlike this process's own before it was started anew. */
  readonly holder: string;
  readonly clock: () => number;
  /** `epoch` grows with every holder. */
  readonly onGained: (epoch: number) => void;
  readonly onLost: () => void;
}

/**
 * One holder among many who want to be it: a key that the holder writes anew again and again, and that another may write when it
 * stays as it was.
 *
 *   waiting → held → waiting
 *
 * Invariant: no two are in `isHeld` at once, as long as their clocks run at nearly the same rate. A holder that cannot reach the
 * store stops by itself before anybody else begins.
 */
export class Lease implements AsyncDisposable {
  readonly #options: LeaseOptions;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  /** It was asked for once: whoever is alone has it now. */
  readonly tried: Promise<void>;
  #store: KV | undefined;
  #seen = 0;
  #seenAt = 0;
  #isHolder = false;
  #heldUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.tried = this.#try();
    this.#loop = this.#run();
  }

  get isHeld(): boolean {
    return this.#isHolder && this.#options.clock() < this.#heldUntil;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    await this.tried;
    while (!signal.aborted) {
      await delay(RENEW_MS, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.#try();
    }
  }

  /** A store that does not answer, or was written by another meanwhile: the next round sees how things are. */
  #try(): Promise<void> {
    return this.#attempt().catch(() => {
      this.#store = undefined;
    });
  }

  async #attempt(): Promise<void> {
    const { name, holder, clock } = this.#options;
    const began = clock();
    this.#store ??= await new Kvm(jetstream(this.#options.connection, { timeout: ASK_MS })).create(BUCKET, { history: 1, max_bytes: MAX_BYTES });
    const entry = await this.#store.get(name);
    const isFree = entry === null || entry.operation !== 'PUT';
    if (!isFree && entry.string() !== holder) {
      this.#lose();
      if (entry.revision !== this.#seen) [this.#seen, this.#seenAt] = [entry.revision, began];
      if (began - this.#seenAt < TAKE_OVER_MS) return;
    }
    const epoch = isFree ? await this.#store.create(name, holder) : await this.#store.update(name, holder, entry.revision);
    this.#heldUntil = began + LEASE_MS;
    if (this.#isHolder) return;
    this.#isHolder = true;
    this.#options.onGained(epoch);
  }

  #lose(): void {
    if (!this.#isHolder) return;
    this.#isHolder = false;
    this.#options.onLost();
  }

  /** Gives it up, so that another need not wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    if (!this.#isHolder) return;
    this.#lose();
    await this.#store?.delete(this.#options.name).catch(() => undefined);
  }
}
