import { attemptOutcome, type Candidate, type JobAttempt, type JobEnded } from '#bus-schemas';
import { Calibration } from './calibration.ts';
import { Faults } from './faults.ts';
import type { MachineMemory, StoredAt } from './machine-memory.ts';
import { MeasuredSpeeds } from './measured-speeds.ts';
import type { Choice } from './placement.ts';
import type { Reservation } from './reservations.ts';
import type { MachineCounts } from './unwritten-records.ts';

export type ObservedEnd = Pick<
  JobEnded,
  'job' | 'provider' | 'result' | 'attempts' | 'timing' | 'deliveredTokens' | 'usage'
>;
export type ObservedFailure = Pick<
  JobAttempt,
  'job' | 'provider' | 'failure' | 'refusal' | 'about' | 'clientSealed' | 'account' | 'next'
>;

/** Called when a machine served, failed or refused a job, for its record. */
export type OnObserved = (provider: string, counts: Partial<MachineCounts>) => void;

/**
 * What a router has measured of machines: faults, paces and speeds. Decisions read it, and it
 * outlives the router in the records of the machines.
 */
export class Measurements {
  readonly faults = new Faults();
  readonly paces = new Calibration();
  readonly speeds = new MeasuredSpeeds();
  readonly #onObserved: OnObserved | undefined;

  constructor(onObserved: OnObserved | undefined) {
    this.#onObserved = onObserved;
  }

  attemptFailed(attempt: ObservedFailure, now: number): void {
    const { provider, failure, refusal, account } = attempt;
    const because = refusal ?? failure;
    switch (attemptOutcome(failure, attempt).record) {
      case 'none':
        return;
      case 'note':
        this.faults.blamed(provider, account, now);
        return this.#onObserved?.(provider, { blamed: 1 });
      case 'cool':
        this.faults.refused(provider, now, because);
        return this.#onObserved?.(provider, { refused: 1 });
      case 'fault':
        this.faults.failed(provider, now, because);
        return this.#onObserved?.(provider, { failed: 1 });
    }
  }

  /** `reservation` is the slot that the job holds, if this router knows it. */
  jobEnded(end: ObservedEnd, reservation: Reservation | undefined, now: number): void {
    const { provider, result, deliveredTokens } = end;
    if (provider === undefined) return;
    const isCompleted = result === 'completed';
    if (isCompleted) this.faults.served(provider, now);
    if (reservation?.provider === provider) this.#learn(end, reservation, now);
    this.#onObserved?.(provider, { served: isCompleted ? 1 : 0, tokens: deliveredTokens });
  }

  #learn(
    { result, attempts, timing, deliveredTokens }: ObservedEnd,
    { provider, build, account, expectedMs }: Reservation,
    now: number,
  ): void {
    const { firstContentUs, totalUs, routeUs, holdUs } = timing;
    if (firstContentUs === undefined) return;
    if (result === 'completed') {
      const tookMs = (totalUs - firstContentUs) / 1_000;
      this.speeds.learn(provider, build, { account, tokens: deliveredTokens, tookMs }, now);
    }
    if (attempts === 1 && expectedMs !== undefined) {
      const tookMs = (firstContentUs - routeUs - holdUs) / 1_000;
      this.paces.learn(provider, { expectedMs, tookMs }, now);
    }
  }

  /**
   * The expected delay without the correction by the machine's pace. A measured decoding speed is
   * not part of that correction.
   */
  predictedByOwnFigures(
    { provider, build, expectedFirstContentMs }: Candidate,
    { cost }: Choice,
  ): number {
    const { slowdown } = this.paces.of(provider);
    const decodeMs =
      cost === undefined || this.speeds.of(provider, build).tokenMs === 0
        ? 0
        : cost.queue + cost.decode;
    return Math.max(0, expectedFirstContentMs - decodeMs) / slowdown + decodeMs;
  }

  memoryOf(provider: string, now: number): MachineMemory {
    const faults = this.faults.stored(provider, now);
    const pace = this.paces.stored(provider, now);
    const speeds = this.speeds.stored(provider, now);
    return {
      ...(faults && { faults }),
      ...(pace && { pace }),
      ...(speeds.length > 0 && { speeds }),
    };
  }

  restore(provider: string, { faults, pace, speeds = [] }: MachineMemory, stored: StoredAt): void {
    if (faults !== undefined) this.faults.restore(provider, faults, stored);
    if (pace !== undefined) this.paces.restore(provider, pace, stored);
    for (const speed of speeds) this.speeds.restore(provider, speed, stored);
  }

  /** Fades old faults and measurements, and drops those of machines and builds that are gone. */
  sweep(
    now: number,
    remaining: {
      readonly isKnown: (provider: string) => boolean;
      readonly isListed: (provider: string, build: string) => boolean;
    },
  ): void {
    this.faults.sweep(now, remaining.isKnown);
    this.paces.sweep(now, remaining.isKnown);
    this.speeds.sweep(now, remaining.isListed);
  }
}
