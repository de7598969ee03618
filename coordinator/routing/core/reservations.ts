export interface Reservation {
  readonly job: string;
  readonly provider: string;
  readonly build: string;
  readonly tokens: number;
  readonly at: number;
}

/**
 * Which slots are promised to which job. A slot is taken from the reservation to the job's end, whatever the provider reports
 * meanwhile; a job that nobody ends gives it back when it cannot run any more.
 */
export class Reservations {
  readonly #byJob = new Map<string, Reservation>();
  readonly #bySlot = new Map<string, Map<string, Reservation>>();

  get size(): number {
    return this.#byJob.size;
  }

  of(job: string): Reservation | undefined {
    return this.#byJob.get(job);
  }

  /** One place a job: taking another one gives the first back. */
  take(reservation: Reservation): void {
    this.release(reservation.job);
    this.#byJob.set(reservation.job, reservation);
    const slot = slotOf(reservation);
    let jobs = this.#bySlot.get(slot);
    if (jobs === undefined) {
      jobs = new Map();
      this.#bySlot.set(slot, jobs);
    }
    jobs.set(reservation.job, reservation);
  }

  release(job: string): Reservation | undefined {
    const reservation = this.#byJob.get(job);
    if (reservation === undefined) return undefined;
    this.#byJob.delete(job);
    const slot = slotOf(reservation);
    const jobs = this.#bySlot.get(slot);
    jobs?.delete(job);
    if (jobs?.size === 0) this.#bySlot.delete(slot);
    return reservation;
  }

  /** Jobs promised to a slot. */
  count(provider: string, build: string): number {
    return this.#bySlot.get(slotOf({ provider, build }))?.size ?? 0;
  }

  /** Tokens promised since the slot last said what it has free. */
  tokensSince(provider: string, build: string, since: number): number {
    let tokens = 0;
    for (const reservation of this.#bySlot.get(slotOf({ provider, build }))?.values() ?? []) {
      if (reservation.at >= since) tokens += reservation.tokens;
    }
    return tokens;
  }

  /** Gives back what was promised before `before`. */
  expire(before: number): number {
    let expired = 0;
    // Oldest first: the map keeps the order of taking.
    for (const { job, at } of this.#byJob.values()) {
      if (at >= before) break;
      this.release(job);
      expired += 1;
    }
    return expired;
  }
}

const slotOf = ({ provider, build }: { provider: string; build: string }) => `${provider} ${build}`;
