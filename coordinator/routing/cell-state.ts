import {
  type Announcement,
  type Capacity,
  events,
  RoutingFleet,
  SUITE_ID,
  type Verdict,
} from '#bus-schemas';
import type { Cells } from '#coordinator/cells/cells.ts';
import type { Context } from '#coordinator/context.ts';
import { counter } from '#observability';
import type { FleetChange } from './core/fleet.ts';
import type { ObservedEnd, ObservedFailure } from './core/measurements.ts';
import { Router } from './core/router.ts';
import { memoryMbOf } from './core/serving.ts';
import { TrustedMachines } from './core/trusted-machines.ts';
import { DecisionReports } from './decision-reports.ts';
import { OwnCell } from './own-cell.ts';
import { MachineRecords } from './records/machine-records.ts';

/**
 * Time after the start in which requests wait for machines that have not reported yet, in
 * milliseconds: every live machine sends a beat within it.
 */
export const GRACE_MS = 6_000;
/** A machine is removed after this many times the silence that makes it count as gone. */
const FORGET_AFTER_TIMEOUTS = 20;
/** A reservation whose end was missed is released this long after the job's timeout. */
const RESERVATION_MARGIN_MS = 60_000;

export interface CellStateOptions extends Context {
  readonly cells: Cells;
  /** Name of this router. */
  readonly name: string;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
  readonly isLeading: () => boolean;
}

/**
 * The state of one cell: its machines, its jobs, and what was measured of both. Each method applies
 * one event to it. A standby applies the same events as the leader; only the leader publishes.
 */
export class CellState implements AsyncDisposable {
  readonly router: Router;
  readonly own: OwnCell;
  readonly records: MachineRecords;
  readonly #options: CellStateOptions;
  readonly #trusted = new TrustedMachines();
  readonly #reports: DecisionReports;
  #draining: NodeJS.Immediate | undefined;

  constructor(options: CellStateOptions) {
    this.#options = options;
    const { bus, cells, clock, config, isLeading, now } = options;
    this.#reports = new DecisionReports({ bus, now, clock });
    this.router = this.#createRouter();
    this.own = new OwnCell({ bus, cells, cell: config.cell, router: this.router, isLeading });
    this.records = this.#openRecords();
  }

  isKnown(provider: string): boolean {
    return this.router.fleet.provider(provider) !== undefined;
  }

  announced(provider: string, announcement: Announcement): void {
    if (!this.#trusted.admits(provider, announcement, this.#options.now())) return;
    this.records.whenRead(provider, () => this.#join(provider, announcement));
  }

  capacityReported(provider: string, capacity: Capacity): void {
    const change = this.router.fleet.report(provider, capacity, this.#options.clock());
    if (change !== 'reported') this.#reportChange(provider, change);
    this.drainSoon();
  }

  disconnected(provider: string): void {
    this.records.left(provider);
    this.#reportChange(provider, this.router.fleet.lost(provider));
  }

  revoked(provider: string): void {
    this.#reportChange(provider, this.router.fleet.ban(provider, this.#options.clock()));
  }

  judged(verdict: Verdict): void {
    const { provider } = verdict;
    if (!this.#trusted.record(verdict)) return;
    if (this.#trusted.isGood(provider, this.#options.now()))
      this.router.fleet.setVerified(provider, this.#trusted.verifiedOf(provider));
    else this.#reportChange(provider, this.router.fleet.remove(provider));
    this.drainSoon();
  }

  attemptFailed(attempt: ObservedFailure): void {
    this.router.attemptFailed(attempt, this.#options.clock());
    this.drainSoon();
  }

  jobEnded(end: ObservedEnd): void {
    this.router.jobEnded(end, this.#options.clock());
    this.drainSoon();
  }

  /** Many slots become free at the same time; one drain of the queue serves them all. */
  drainSoon(): void {
    if (this.router.queued === 0) return;
    this.#draining ??= setImmediate(() => {
      this.#draining = undefined;
      this.router.drain(this.#options.clock());
    });
  }

  /** Applies the passing of time. Is called once a second. */
  sweep(isFlooding: (provider: string) => boolean): void {
    const { clock, config, now } = this.#options;
    const { fleet, reservations } = this.router;
    const silentMs = config.beatTimeoutMs;
    const limits = { silentMs, forgetMs: silentMs * FORGET_AFTER_TIMEOUTS };
    this.#reports.refill();
    for (const provider of fleet.sweep(clock(), limits)) this.#reportChange(provider, 'silent');
    reservations.dropVanished(clock());
    reservations.expire(clock() - config.jobTimeoutMs - RESERVATION_MARGIN_MS);
    this.router.sweep(clock(), (provider) => this.records.isUnwritten(provider));
    this.records.sweep((provider) => this.isKnown(provider));
    for (const { id } of fleet.all()) fleet.setFlooding(id, isFlooding(id));
    for (const { id } of fleet.all())
      if (!this.#trusted.isGood(id, now())) this.#reportChange(id, fleet.remove(id));
    this.own.sweep(clock());
  }

  #createRouter(): Router {
    const { clock, config, metrics } = this.#options;
    const decisions = counter(metrics, 'dinf_routing_decisions_total');
    return new Router({
      suite: SUITE_ID,
      queueDepth: config.queueDepth,
      minimumTrust: config.minimumTrust,
      minStreamTps: config.minStreamTps,
      graceMs: GRACE_MS,
      startedAt: clock(),
      random: Math.random,
      onObserved: (provider, counts) => {
        if (this.isKnown(provider)) this.records.observe(provider, counts);
      },
      onDecision: (pending, choice, outcome) => {
        decisions.inc({ outcome });
        this.#reports.report(pending, choice, outcome);
      },
    });
  }

  #openRecords(): MachineRecords {
    const { clock, database, isLeading, log, metrics, name } = this.#options;
    const { own, router } = this;
    return new MachineRecords({
      database,
      log,
      metrics,
      clock,
      writer: name,
      isServed: (provider) => isLeading() && own.isFirst(provider),
      memoryOf: (provider) => router.memoryOf(provider, clock()),
      computerOf: (provider) => {
        const machine = router.fleet.provider(provider)?.machine;
        return machine && { chip: machine.chip, memoryMb: memoryMbOf(machine.memoryGb) };
      },
      restore: (provider, memory, stored) => router.restore(provider, memory, stored),
    });
  }

  #join(provider: string, announcement: Announcement): void {
    const { clock, now } = this.#options;
    // The verdict may have changed while the record was read.
    if (!this.#trusted.admits(provider, announcement, now())) return;
    const verified = this.#trusted.verifiedOf(provider);
    const change = this.router.announced(provider, announcement, clock(), verified);
    this.#reportChange(provider, change);
    this.drainSoon();
  }

  #reportChange(provider: string, change: FleetChange | undefined): void {
    const { bus, isLeading, log, now } = this.#options;
    if (change === undefined || !isLeading()) return;
    log.info({ provider, change }, 'a provider changed its state in the fleet');
    bus.emit(
      events.routingFleet,
      RoutingFleet,
      { provider, at: now(), change },
      `fleet:${provider}:${change}:${now()}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearImmediate(this.#draining);
    this.own[Symbol.dispose]();
    await this.records[Symbol.asyncDispose]();
  }
}
