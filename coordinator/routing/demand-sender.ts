import { core, DemandReport, Desired } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { DemandSurvey } from './core/demand.ts';
import type { ProviderView } from './core/fleet.ts';
import { type MachineHours, minuteOf } from './core/machine-hours.ts';
import type { Router } from './core/router.ts';

const PERIOD_MS = 60_000;
/**
 * Machines that get their report in one call. With ten calls a second, a full router (50,000
 * machines) is done within a period, and one call takes no more time than a decision.
 */
const MACHINES_AT_ONCE = 100;

export interface DemandSenderOptions {
  readonly bus: Pick<Bus, 'publish'>;
  readonly router: Router;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
  readonly isLeading: () => boolean;
  /** Time in milliseconds since 1970. */
  readonly now: () => number;
  readonly hours: MachineHours;
}

/**
 * Sends each machine of the cell, once a minute, what became of the requests for its builds, and
 * which builds it should have, and notes what the machine did.
 */
export class DemandSender {
  readonly #options: DemandSenderOptions;
  #periodBegan: number;
  #survey: DemandSurvey | undefined;
  #waiting: ProviderView[] = [];

  constructor(options: DemandSenderOptions) {
    this.#options = options;
    this.#periodBegan = options.clock();
  }

  /** Is called ten times a second. */
  tick(): void {
    const { router, clock, isLeading, hours, now } = this.#options;
    const periodMs = Math.round(clock() - this.#periodBegan);
    if (periodMs >= PERIOD_MS) {
      this.#periodBegan = clock();
      this.#survey = router.surveyDemand(periodMs, clock());
      hours.dropOld(now());
      router.renewDesired(clock());
      this.#waiting = isLeading() ? [...router.fleet.all()].filter(({ silent }) => !silent) : [];
    }
    this.#sendSome();
  }

  #sendSome(): void {
    const { bus, router, hours, now } = this.#options;
    const survey = this.#survey;
    if (survey === undefined) return;
    for (const machine of this.#waiting.splice(0, MACHINES_AT_ONCE)) {
      const report = survey.reportFor(machine);
      hours.note(machine.id, minuteOf(machine, report), now());
      bus.publish(core.down(machine.id, 'demand'), DemandReport, report);
      const builds = router.desired.desiredOf(machine);
      if (builds.length > 0) bus.publish(core.down(machine.id, 'desired'), Desired, { builds });
    }
    // The survey refers to the slots of the period, which need not stay in memory.
    if (this.#waiting.length === 0) this.#survey = undefined;
  }
}
