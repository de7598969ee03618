import { RequestError, type Subscription } from '@nats-io/nats-core';
import { core, LeaseWord } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { Election, type Outcome } from './core/election.ts';

const TICK_MS = 100;
/** Of the question whether there is a holder: no answer within this time counts as yes. */
const ASK_MS = 500;
/** How long a start waits to learn who holds the lease. */
const DECIDE_MS = 1_500;
const SECOND_MS = 1_000;

export interface LeaseOptions {
  readonly bus: Bus;
  readonly name: string;
  /** Unlike any other's, and unlike this process's own before it was started anew. */
  readonly holder: string;
  readonly clock: () => number;
  /** `epoch` grows with every holder. */
  readonly onGained: (epoch: number) => void;
  readonly onLost: () => void;
}

/**
 * The right to be the one that acts, held by saying so on the bus again and again
 * (`core/election.ts`). It needs the hub and nothing
 * else: the holder keeps it while no stream can be written and while the database is away.
 */
export class Lease implements AsyncDisposable {
  readonly #options: LeaseOptions;
  readonly #election: Election;
  readonly #subject: string;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  readonly #decided = Promise.withResolvers<void>();
  #asHolder: Subscription | undefined;
  #isConnected = true;

  constructor(options: LeaseOptions) {
    this.#options = options;
    const { bus, name, holder, clock } = options;
    this.#election = new Election({
      holder,
      epoch: Math.floor(Date.now() / SECOND_MS),
      now: clock(),
    });
    this.#subject = core.lease(name);
    this.#subscription = bus.subscribe({
      subject: this.#subject,
      kind: LeaseWord,
      handle: (word) => this.#act(this.#election.hear(word, clock())),
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    setTimeout(() => this.#decided.resolve(), DECIDE_MS).unref();
    void this.#watchConnection();
    this.#act(this.#election.connected(clock()));
  }

  /**
   * It is known who holds the lease, or nobody said so in time: a candidate that is alone has it
   * now.
   */
  get tried(): Promise<void> {
    return this.#decided.promise;
  }

  get isHeld(): boolean {
    return this.#election.isHeld(this.#options.clock());
  }

  #tick(): void {
    // The library would keep the words and send them when they are no longer true.
    if (this.#isConnected) this.#act(this.#election.tick(this.#options.clock()));
  }

  #act({ say, ask, became }: Outcome): void {
    const { bus, onGained, onLost } = this.#options;
    if (bus.connection.isClosed() || bus.connection.isDraining()) return;
    this.#listenAsHolder();
    if (say !== undefined) bus.publish(this.#subject, LeaseWord, say);
    if (ask) void this.#ask();
    if (became === 'holder') onGained(this.#election.epoch);
    if (became === 'other') onLost();
    if (this.#election.isDecided) this.#decided.resolve();
  }

  /**
   * Only that somebody listens there matters: without it the hub itself answers that nobody does.
   */
  #listenAsHolder(): void {
    const { bus, name } = this.#options;
    if (this.#election.isHolding)
      this.#asHolder ??= bus.connection.subscribe(core.leaseHolder(name), {
        callback: (_, message) => void message.respond(),
      });
    else {
      this.#asHolder?.unsubscribe();
      this.#asHolder = undefined;
    }
  }

  async #ask(): Promise<void> {
    const { bus, name, clock } = this.#options;
    const isAnotherHolding = await bus.connection
      .request(core.leaseHolder(name), '', { timeout: ASK_MS })
      .then(
        () => true,
        (error: unknown) => !(error instanceof RequestError && error.isNoResponders()),
      );
    this.#act(this.#election.answered(isAnotherHolding, clock()));
  }

  async #watchConnection(): Promise<void> {
    for await (const { type } of this.#options.bus.connection.status()) {
      if (type === 'disconnect') this.#isConnected = false;
      if (type !== 'reconnect') continue;
      this.#isConnected = true;
      this.#act(this.#election.connected(this.#options.clock()));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { bus, clock } = this.#options;
    clearInterval(this.#timer);
    this.#act(this.#election.release(clock()));
    this.#subscription.unsubscribe();
    // The last word leaves before the process does; a hub that is away is not waited for.
    if (this.#isConnected && !bus.connection.isClosed()) await bus.connection.flush();
  }
}
