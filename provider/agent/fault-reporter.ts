import {
  type CountedFaults,
  MACHINE_FAULTS,
  MAX_FAULT_TIMES,
  type MachineFault,
} from '#bus-schemas';
import type { EngineFault } from '../reasons.ts';

/** Least time between two reports, in milliseconds. */
export const REPORT_MS = 60_000;

/**
 * Counts the faults of this machine for the operator of the network. The first one is reported at
 * once, and later ones together. A report that is lost is not repeated.
 */
export class FaultReporter {
  readonly #send: (faults: CountedFaults) => void;
  readonly #counts = new Map<MachineFault, number>();
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(send: (faults: CountedFaults) => void) {
    this.#send = send;
  }

  note(fault: MachineFault): void {
    this.#counts.set(fault, Math.min(MAX_FAULT_TIMES, (this.#counts.get(fault) ?? 0) + 1));
  }

  /** Call it regularly. `now` is in milliseconds on a clock that is never set. */
  tick(now: number): void {
    if (this.#counts.size === 0 || now < this.#nextAt) return;
    this.#nextAt = now + REPORT_MS;
    const faults = MACHINE_FAULTS.flatMap((fault) => {
      const times = this.#counts.get(fault);
      return times === undefined ? [] : [{ fault, times }];
    });
    this.#counts.clear();
    this.#send(faults);
  }
}

/** What the network calls each fault of the engine. */
export const faultKinds: Readonly<Record<EngineFault, MachineFault>> = {
  engine_hung: 'wedged',
  engine_frozen: 'wedged',
  engine_crashed: 'backend_crash',
  engine_out_of_memory: 'oom',
  engine_unreadable: 'protocol_error',
};
