export interface Reservation {
  readonly job: string;
  readonly account: string;
  readonly provider: string;
  readonly build: string;
  readonly tokens: number;
  /**
   * Until the first content, by the machine's own figures; nothing where that is not to be learned
   * from.
   */
  readonly expectedMs?: number;
  /** Reading the prompt takes the machine so long. */
  readonly promptMs: number;
  readonly at: number;
  /** Its client has yet to seal the request for this machine, and may never do so. */
  readonly isUnordered?: boolean;
}

/**
 * What is promised of one slot, beside what its provider said last. Plain numbers: every decision
 * reads them for every slot.
 *
 * Invariant: a promised job counts once, in the provider's word if that names it, among the unheard
 * if not.
 */
export class SlotPromises {
  readonly #jobs = new Map<string, Reservation>();
  #named: ReadonlySet<string> = NOBODY;
  /** Promised, and not in the provider's last word. */
  unheard = 0;
  unheardTokens = 0;
  /** In the provider's last word, and over since. */
  finished = 0;
  /** Prompts are read one after another: when the last of them will be. */
  promptsReadAt = 0;
  /**
   * The machine's last message lists this slot. Promises of a slot that is not listed are dropped
   * when their last job ends.
   */
  isListed = false;

  get count(): number {
    return this.#jobs.size;
  }

  /** Jobs in the provider's last word. */
  get named(): number {
    return this.#named.size;
  }

  /** The provider says which jobs it has. One that does not say is taken to have all of ours. */
  heard(jobs?: readonly string[]): void {
    const named = jobs ?? [...this.#jobs.keys()];
    this.isListed = true;
    this.#named = named.length === 0 ? NOBODY : new Set(named);
    this.finished = 0;
    this.unheard = 0;
    this.unheardTokens = 0;
    for (const reservation of this.#jobs.values()) this.#countUnheard(reservation, 1);
  }

  isNamed(job: string): boolean {
    return this.#named.has(job);
  }

  take(reservation: Reservation): void {
    this.#jobs.set(reservation.job, reservation);
    this.#countUnheard(reservation, 1);
    this.promptsReadAt = Math.max(this.promptsReadAt, reservation.at) + reservation.promptMs;
  }

  /** `isFinished`: by the provider itself, so that its place is free before it says so. */
  release(reservation: Reservation, isFinished: boolean): void {
    this.#jobs.delete(reservation.job);
    this.#countUnheard(reservation, -1);
    if (isFinished && this.#named.has(reservation.job)) this.finished += 1;
    // Whose jobs are over has read their prompts, however long that should have taken.
    if (this.#jobs.size === 0) this.promptsReadAt = 0;
  }

  #countUnheard({ job, tokens }: Reservation, change: 1 | -1): void {
    if (this.#named.has(job)) return;
    this.unheard += change;
    this.unheardTokens += change * tokens;
  }
}

const NOBODY: ReadonlySet<string> = new Set();

/**
 * Which slots are promised to which job. A slot is taken from the reservation to the job's end,
 * whatever the provider reports
 * meanwhile; a job that nobody ends gives it back when it cannot run any more.
 */
export class Reservations {
  readonly #byJob = new Map<string, Reservation>();
  /**
   * By provider, then build. The promises of a slot stay the same object while the machine lists
   * the slot: decisions read them without a lookup.
   */
  readonly #bySlot = new Map<string, Map<string, SlotPromises>>();
  readonly #byAccount = new Map<string, number>();
  /** Reservations that were unordered when they were taken, by account and job. */
  readonly #unordered = new Map<string, Map<string, Reservation>>();
  /** How often something was given back. */
  releases = 0;

  get size(): number {
    return this.#byJob.size;
  }

  of(job: string): Reservation | undefined {
    return this.#byJob.get(job);
  }

  /** One place a job: taking another one gives the first back. */
  take(reservation: Reservation): void {
    this.release(reservation.job);
    const { job, account, provider, build } = reservation;
    this.#byJob.set(job, reservation);
    this.promised(provider, build).take(reservation);
    this.#byAccount.set(account, this.heldBy(account) + 1);
    if (reservation.isUnordered)
      this.#unordered.set(
        account,
        (this.#unordered.get(account) ?? new Map<string, Reservation>()).set(job, reservation),
      );
  }

  release(job: string, isFinished = false): Reservation | undefined {
    const reservation = this.#byJob.get(job);
    if (reservation === undefined) return undefined;
    this.#byJob.delete(job);
    this.releases += 1;
    const { account, provider, build } = reservation;
    this.#bySlot.get(provider)?.get(build)?.release(reservation, isFinished);
    this.#dropUnused(provider, build);
    this.#forgetUnordered(reservation);
    const held = this.heldBy(account) - 1;
    if (held > 0) this.#byAccount.set(account, held);
    else this.#byAccount.delete(account);
    return reservation;
  }

  /** What is promised of a slot: always the same object, which changes. */
  promised(provider: string, build: string): SlotPromises {
    let builds = this.#bySlot.get(provider);
    if (builds === undefined) {
      builds = new Map();
      this.#bySlot.set(provider, builds);
    }
    let promises = builds.get(build);
    if (promises === undefined) {
      promises = new SlotPromises();
      builds.set(build, promises);
    }
    return promises;
  }

  /**
   * The machine lists this slot no more. Its name is forgotten: a machine that lists new names in
   * every message must not fill the memory.
   */
  unlist(provider: string, build: string): void {
    const promises = this.#bySlot.get(provider)?.get(build);
    if (promises === undefined) return;
    promises.isListed = false;
    this.#dropUnused(provider, build);
  }

  #dropUnused(provider: string, build: string): void {
    const builds = this.#bySlot.get(provider);
    const promises = builds?.get(build);
    if (builds === undefined || promises === undefined || promises.isListed || promises.count > 0)
      return;
    builds.delete(build);
    if (builds.size === 0) this.#bySlot.delete(provider);
  }

  /** Slots of which something is kept: those that machines list, and those that hold jobs. */
  get slotsKept(): number {
    let slots = 0;
    for (const builds of this.#bySlot.values()) slots += builds.size;
    return slots;
  }

  /** Jobs promised to a slot. */
  count(provider: string, build: string): number {
    return this.#bySlot.get(provider)?.get(build)?.count ?? 0;
  }

  /** Slots that an account's jobs hold. */
  heldBy(account: string): number {
    return this.#byAccount.get(account) ?? 0;
  }

  /**
   * Places of these builds that an account holds for jobs which no machine has been sent yet. A job
   * that its machine names has been ordered.
   */
  unorderedBy(account: string, builds: readonly string[]): number {
    let places = 0;
    for (const reservation of [...(this.#unordered.get(account)?.values() ?? [])]) {
      const { job, provider, build } = reservation;
      if (this.#bySlot.get(provider)?.get(build)?.isNamed(job)) this.#forgetUnordered(reservation);
      else if (builds.includes(build)) places += 1;
    }
    return places;
  }

  #forgetUnordered({ account, job }: Reservation): void {
    const ofAccount = this.#unordered.get(account);
    if (ofAccount?.delete(job) && ofAccount.size === 0) this.#unordered.delete(account);
  }

  clear(): void {
    for (const job of [...this.#byJob.keys()]) this.release(job);
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
