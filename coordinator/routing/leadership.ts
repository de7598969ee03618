import type { Logger } from 'pino';
import { events, RoutingLed } from '#bus-schemas';
import type { Bus, Endpoint } from '#coordinator/bus.ts';
import type { CellState } from './cell-state.ts';
import type { MachineDays } from './days/machine-days.ts';
import { Lease } from './lease.ts';

export interface LeadershipOptions {
  readonly bus: Bus;
  readonly log: Logger;
  readonly cell: number;
  /** Name of this router. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
  readonly state: CellState;
  readonly days: Pick<MachineDays, 'begin'>;
  readonly endpoints: readonly Endpoint[];
}

/** Serves the endpoints of a cell while this router holds the lease of the cell. */
export class Leadership implements AsyncDisposable {
  readonly #options: LeadershipOptions;
  readonly #lease: Lease;
  #serving: Promise<AsyncDisposable> | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    const { bus, cell, clock, name } = options;
    this.#lease = new Lease({
      bus,
      name: `routing-${cell}`,
      holder: name,
      clock,
      onGained: (epoch) => this.#gained(epoch),
      onLost: () => this.#lost(),
    });
  }

  get isLeading(): boolean {
    return this.#lease.isHeld;
  }

  get decidedOrTimedOut(): Promise<void> {
    return this.#lease.decidedOrTimedOut;
  }

  /** Resolves when the endpoints are served, and at once if this router does not lead. */
  async served(): Promise<void> {
    await this.#serving;
  }

  #gained(epoch: number): void {
    const { bus, cell, days, endpoints, log, name, state } = this.#options;
    log.info(
      { router: name, cell, epoch, providers: state.router.fleet.size },
      'this router has the lease and leads its cell',
    );
    state.records.readAgain();
    days.begin();
    this.#serving = bus.serve('routing', endpoints, { sharesCalls: false });
    void this.#serving.then(() => this.#announce(epoch));
  }

  #announce(epoch: number): void {
    const { bus, cell, name, now, state } = this.#options;
    bus.emit(
      events.routingLed,
      RoutingLed,
      { router: name, at: now(), epoch, cell },
      `led:${name}:${epoch}`,
    );
    state.own.publishDigest();
  }

  #lost(): void {
    const { log, name, state } = this.#options;
    log.info({ router: name }, 'this router has lost the lease and no longer leads its cell');
    void this.#serving?.then((served) => served[Symbol.asyncDispose]());
    state.router.standDown();
    void state.records.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The router that takes over reads the records as soon as the lease is free.
    await this.#options.state.records.flush();
    await this.#lease[Symbol.asyncDispose]();
  }
}
