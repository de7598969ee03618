import { RequestError, type Subscription } from '@nats-io/nats-core';
import { core, LeaseMessage } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { Election, type ElectionOutcome } from './core/election.ts';

const TICK_MS = 100;
/**
 * Timeout of the request whether there is another holder, in milliseconds. No answer within this
 * time counts as yes.
 */
const ASK_MS = 500;
/** How long the start waits for the result of the election, in milliseconds. */
const DECIDE_MS = 1_500;
const SECOND_MS = 1_000;

export interface LeaseOptions {
  readonly bus: Bus;
  readonly name: string;
  /**
   * Must differ from every other candidate's, and from the one that this process had before a
   * restart.
   */
  readonly holder: string;
  readonly clock: () => number;
  /** Every new holder has a greater `epoch`. */
  readonly onGained: (epoch: number) => void;
  readonly onLost: () => void;
}

/**
 * The right to be the only active process. The holder keeps it by repeating a message on the bus
 * (`core/election.ts`). It depends only on the hub: a holder keeps it while JetStream and the
 * database are unavailable.
 */
export class Lease implements AsyncDisposable {
  readonly #options: LeaseOptions;
  readonly #election: Election;
  readonly #subject: string;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  readonly #decided = Promise.withResolvers<void>();
  #holderSubscription: Subscription | undefined;
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
      kind: LeaseMessage,
      handle: (message) => this.#act(this.#election.receive(message, clock())),
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    setTimeout(() => this.#decided.resolve(), DECIDE_MS).unref();
    void this.#watchConnection();
    this.#act(this.#election.connected(clock()));
  }

  /**
   * Resolves when the election has a result, or after `DECIDE_MS` without one. A candidate that is
   * alone holds the lease then.
   */
  get decidedOrTimedOut(): Promise<void> {
    return this.#decided.promise;
  }

  get isHeld(): boolean {
    return this.#election.isHeld(this.#options.clock());
  }

  #tick(): void {
    // While disconnected, the library would store these messages and send them later, when they are
    // no longer true.
    if (this.#isConnected) this.#act(this.#election.tick(this.#options.clock()));
  }

  #act({ send, askHub, became }: ElectionOutcome): void {
    const { bus, onGained, onLost } = this.#options;
    if (bus.connection.isClosed() || bus.connection.isDraining()) return;
    this.#listenAsHolder();
    if (send !== undefined) bus.publish(this.#subject, LeaseMessage, send);
    if (askHub) void this.#askHub();
    if (became === 'holder') onGained(this.#election.epoch);
    if (became === 'other') onLost();
    if (this.#election.isDecided) this.#decided.resolve();
  }

  /**
   * The subscription itself is the sign: without a subscriber, the hub answers that there is none.
   */
  #listenAsHolder(): void {
    const { bus, name } = this.#options;
    if (this.#election.isHolding)
      this.#holderSubscription ??= bus.connection.subscribe(core.leaseHolder(name), {
        callback: (_, message) => void message.respond(),
      });
    else {
      this.#holderSubscription?.unsubscribe();
      this.#holderSubscription = undefined;
    }
  }

  async #askHub(): Promise<void> {
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
    // The release is sent before the process ends, unless the hub is not reachable.
    if (this.#isConnected && !bus.connection.isClosed()) await bus.connection.flush();
  }
}
