import { type Refusal, SUITE_ID } from '#bus-schemas';
import type { JobTimes } from '#coordinator/ingress/core/deadlines.ts';
import { LateBudget } from '#coordinator/ingress/core/late-budget.ts';
import { Router } from '#coordinator/routing/core/router.ts';
import { SeededRandom } from '#provider/engine/sampling/random.ts';
import type { Ailment } from '../ailment.ts';
import { chipOf } from '../chips.ts';
import { imaginaryId } from '../imaginary-id.ts';
import { drawChip } from '../mix.ts';
import { type SimulatedBuild, simulatedBuilds } from '../models.ts';
import { Timeline } from './timeline.ts';
import { VirtualMac } from './virtual-mac.ts';

export interface ReplayedNetworkOptions {
  readonly macs: number;
  readonly concurrency: number;
  readonly queueDepth: number;
  readonly times: JobTimes;
  readonly seed: number;
  /** Machines report the state of their computers, which is the default. */
  readonly conditions?: boolean;
}

const TICK_MS = 100;
const SWEEP_MS = 10_000;
const GRACE_MS = 6_000;
/** Time for which a provider collects changes before it announces them, in milliseconds. */
const GATHER_MS = 100;

/**
 * A fleet and its router in virtual time. Heartbeats without a change are left out, because they
 * would not alter the state of the router.
 */
export class ReplayedNetwork {
  readonly timeline = new Timeline();
  readonly times: JobTimes;
  readonly build: SimulatedBuild;
  readonly macs: readonly VirtualMac[];
  readonly router: Router;
  readonly random: SeededRandom;
  readonly lateBudget = new LateBudget();
  readonly #byId: ReadonlyMap<string, VirtualMac>;
  readonly #reporting = new Set<VirtualMac>();
  #isDraining = false;
  #isWatching = false;
  /** Number of attempts that were sent to machines. */
  attempts = 0;
  /** Number of attempts that machines refused, by reason. */
  readonly refusals: Partial<Record<Refusal, number>> = {};
  /** Number of attempts that a machine still worked on long after their cancellation. */
  zombies = 0;

  constructor({
    macs,
    concurrency,
    queueDepth,
    times,
    seed,
    conditions = true,
  }: ReplayedNetworkOptions) {
    this.times = times;
    this.random = new SeededRandom(seed);
    [this.build] = simulatedBuilds;
    const { build, timeline } = this;
    this.macs = Array.from(
      { length: macs },
      (_, index) =>
        new VirtualMac({
          id: imaginaryId(index),
          chip: chipOf(drawChip(this.random, build)),
          build,
          concurrency,
          timeline,
          reportsConditions: conditions,
          onHeat: (mac) => this.report(mac),
        }),
    );
    this.#byId = new Map(this.macs.map((mac) => [mac.id, mac]));
    this.router = new Router({
      suite: SUITE_ID,
      queueDepth,
      graceMs: GRACE_MS,
      startedAt: -GRACE_MS,
      random: () => this.random.next(),
    });
    for (const mac of this.macs) this.#announce(mac);
    this.#sweep();
  }

  mac(id: string): VirtualMac {
    return this.#byId.get(id) as VirtualMac;
  }

  /**
   * Announces the machine's state to the router after `GATHER_MS`, once for all changes until then.
   */
  report(mac: VirtualMac): void {
    if (this.#reporting.has(mac)) return;
    this.#reporting.add(mac);
    this.timeline.after(GATHER_MS, () => {
      this.#reporting.delete(mac);
      this.#announce(mac);
    });
  }

  /** Removes the machine for `forMs`, like a closed laptop; the hub reports the loss at once. */
  sleep(mac: VirtualMac, forMs: number): void {
    if (!mac.isAwake) return;
    mac.sleep();
    this.router.fleet.lost(mac.id);
    this.timeline.after(forMs, () => {
      mac.wake();
      this.#announce(mac);
    });
  }

  /** Lets the owner exclude new jobs for a time; running ones are completed. */
  close(mac: VirtualMac, forMs: number): void {
    mac.closures += 1;
    this.report(mac);
    this.timeline.after(forMs, () => {
      mac.closures -= 1;
      this.report(mac);
    });
  }

  /** Gives the machine an ailment, and announces its state. */
  ail(mac: VirtualMac, ailment: Ailment): void {
    mac.ailment = ailment;
    if (ailment.conditions !== undefined) this.report(mac);
  }

  /** Ends the machine's ailment and announces its state. */
  heal(mac: VirtualMac): void {
    mac.recover();
    this.report(mac);
  }

  drainSoon(): void {
    if (this.#isDraining || this.router.queued === 0) return;
    this.#isDraining = true;
    this.timeline.after(0, () => {
      this.#isDraining = false;
      this.router.drain(this.timeline.now);
    });
  }

  /** Checks the deadlines of queued requests every `TICK_MS`, as long as the queue is not empty. */
  watchQueue(): void {
    if (this.#isWatching || this.router.queued === 0) return;
    this.#isWatching = true;
    this.timeline.after(TICK_MS, () => {
      this.#isWatching = false;
      if (this.timeline.now >= this.router.nextDeadline) this.router.drain(this.timeline.now);
      this.watchQueue();
    });
  }

  #announce(mac: VirtualMac): void {
    if (!mac.isAwake) return;
    this.router.fleet.announce(mac.id, mac.announcement(), this.timeline.now);
    this.drainSoon();
  }

  #sweep(): void {
    this.timeline.after(SWEEP_MS, () => {
      this.router.sweep(this.timeline.now);
      this.drainSoon();
      this.#sweep();
    });
  }
}
