import type { PrefixClaim } from './prefix-claims.ts';

export interface Reservation {
  readonly job: string;
  readonly account: string;
  readonly provider: string;
  readonly build: string;
  readonly tokens: number;
  /**
   * Time to the first content predicted from the machine's own figures, in milliseconds. Absent if
   * the answer must not be used for calibration.
   */
  readonly expectedMs?: number;
  /** How long the machine takes to read the prompt, in milliseconds. */
  readonly promptMs: number;
  readonly at: number;
  /** The client has not sealed the request for this machine yet, and may never do so. */
  readonly isUnordered?: boolean;
  /** What the machine stated about the prompt, if it was chosen for that. */
  readonly claim?: PrefixClaim | undefined;
}

/**
 * The jobs that the router has promised to one slot, beside those that its provider reported last.
 * These are plain numbers because every decision reads them for every slot.
 *
 * Invariant: a promised job counts once, as part of the report if the provider's last report names
 * it, and as unreported otherwise.
 */
export class SlotPromises {
  readonly #jobs = new Map<string, Reservation>();
  #reportedJobs: ReadonlySet<string> = NO_JOBS;
  /** Promised jobs that some report has named. */
  readonly #begun = new Set<string>();
  /** Jobs that are promised but missing in the provider's last report. */
  unreported = 0;
  unreportedTokens = 0;
  /** Jobs in the provider's last report that have ended since. */
  finished = 0;
  /**
   * When the machine will have read the last of the promised prompts. It reads them one after
   * another.
   */
  promptsReadAt = 0;
  /**
   * The machine's last message lists this slot. Promises of a slot that is not listed are dropped
   * when their last job ends.
   */
  isListed = false;

  get count(): number {
    return this.#jobs.size;
  }

  /** Number of jobs that the provider's last report names. */
  get reportedCount(): number {
    return this.#reportedJobs.size;
  }

  /**
   * Takes a report of the jobs on this slot. A provider that does not list its jobs is assumed to
   * have received all promised ones.
   */
  reported(jobs?: readonly string[]): void {
    const named = jobs ?? [...this.#jobs.keys()];
    this.isListed = true;
    this.#reportedJobs = named.length === 0 ? NO_JOBS : new Set(named);
    this.finished = 0;
    this.unreported = 0;
    this.unreportedTokens = 0;
    for (const reservation of this.#jobs.values()) {
      this.#countUnreported(reservation, 1);
      if (this.#reportedJobs.has(reservation.job)) this.#begun.add(reservation.job);
    }
  }

  /**
   * The machine has ended the job, or has left with it: an earlier report named it, and the last one
   * does not, or there will be no other.
   */
  hasVanished(job: string): boolean {
    return this.#begun.has(job) && !(this.isListed && this.#reportedJobs.has(job));
  }

  isReported(job: string): boolean {
    return this.#reportedJobs.has(job);
  }

  /** No report has named the job so far. */
  isUnseen(job: string): boolean {
    return !this.#begun.has(job) && !this.#reportedJobs.has(job);
  }

  take(reservation: Reservation): void {
    this.#jobs.set(reservation.job, reservation);
    this.#countUnreported(reservation, 1);
    this.promptsReadAt = Math.max(this.promptsReadAt, reservation.at) + reservation.promptMs;
  }

  /**
   * `isFinished` means that the provider itself has ended the job. Its slot is then free before the
   * provider reports so.
   */
  release(reservation: Reservation, isFinished: boolean): void {
    this.#jobs.delete(reservation.job);
    this.#begun.delete(reservation.job);
    this.#countUnreported(reservation, -1);
    if (isFinished && this.#reportedJobs.has(reservation.job)) this.finished += 1;
    // When all jobs have ended, all prompts have been read, whatever time was predicted for them.
    if (this.#jobs.size === 0) this.promptsReadAt = 0;
  }

  #countUnreported({ job, tokens }: Reservation, change: 1 | -1): void {
    if (this.#reportedJobs.has(job)) return;
    this.unreported += change;
    this.unreportedTokens += change * tokens;
  }
}

const NO_JOBS: ReadonlySet<string> = new Set();

/**
 * How long a slot is kept for the end of a job that its machine has ended or left with, in milliseconds. The
 * ingress reports this end at once, unless it was killed.
 */
const VANISHED_MS = 15_000;

/**
 * How long a slot is kept for a job that no report of the machine names, in milliseconds. The money
 * is set aside within 6 s, a client seals within 10 s, the machine waits up to 30 s for all parts of
 * a request, and reports every 5 s. After that, the ingress was killed before it ordered the job.
 */
const UNSEEN_MS = 60_000;

/**
 * The slots that are promised to jobs. A job holds its slot from the reservation to its end. If no
 * end is ever reported, the slot is free again some time after the machine has ended the job or left, after
 * a minute in which the machine never had the job, or when the job's time limit has passed.
 */
export class Reservations {
  readonly #byJob = new Map<string, Reservation>();
  /**
   * Indexed by provider, then by build. The promises of a slot stay one object while the machine
   * lists the slot, so decisions keep a reference and need no lookup.
   */
  readonly #bySlot = new Map<string, Map<string, SlotPromises>>();
  readonly #byAccount = new Map<string, number>();
  /** Reservations that were unordered when they were taken, by account and job. */
  readonly #unordered = new Map<string, Map<string, Reservation>>();
  /** When a job was first missing in the reports of its machine. */
  readonly #vanishedAt = new Map<string, number>();
  /** Incremented whenever a slot is released. */
  releaseCount = 0;

  get size(): number {
    return this.#byJob.size;
  }

  of(job: string): Reservation | undefined {
    return this.#byJob.get(job);
  }

  /** A job has at most one slot: taking another one releases the first. */
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
    this.#vanishedAt.delete(job);
    this.releaseCount += 1;
    const { account, provider, build } = reservation;
    this.#bySlot.get(provider)?.get(build)?.release(reservation, isFinished);
    this.#dropUnused(provider, build);
    this.#forgetUnordered(reservation);
    const held = this.heldBy(account) - 1;
    if (held > 0) this.#byAccount.set(account, held);
    else this.#byAccount.delete(account);
    return reservation;
  }

  /** Returns the promises of a slot; always the same object, which changes in place. */
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
   * Notes that the machine no longer lists this slot, and drops its name. A machine that lists new
   * names in every message must not fill the memory.
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

  /** Number of slots in memory: those that machines list, and those that hold jobs. */
  get slotsKept(): number {
    let slots = 0;
    for (const builds of this.#bySlot.values()) slots += builds.size;
    return slots;
  }

  /** Number of jobs that are promised to a slot. */
  count(provider: string, build: string): number {
    return this.#bySlot.get(provider)?.get(build)?.count ?? 0;
  }

  /** Number of slots that the jobs of an account hold. */
  heldBy(account: string): number {
    return this.#byAccount.get(account) ?? 0;
  }

  /**
   * Number of slots of these builds that an account holds for jobs that have not been ordered yet.
   * A job that its machine has reported counts as ordered.
   */
  unorderedBy(account: string, builds: readonly string[]): number {
    let places = 0;
    for (const reservation of [...(this.#unordered.get(account)?.values() ?? [])]) {
      const { job, provider, build } = reservation;
      if (this.#bySlot.get(provider)?.get(build)?.isReported(job))
        this.#forgetUnordered(reservation);
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

  /** Releases the slots of jobs that their machines ended or never had, and that no ingress ends. */
  dropVanished(now: number): void {
    for (const { job, provider, build, at } of [...this.#byJob.values()]) {
      const promises = this.#bySlot.get(provider)?.get(build);
      if (promises?.hasVanished(job) !== true) {
        this.#vanishedAt.delete(job);
        if (promises?.isUnseen(job) && now - at >= UNSEEN_MS) this.release(job);
        continue;
      }
      const since = this.#vanishedAt.get(job) ?? now;
      if (now - since >= VANISHED_MS) this.release(job);
      else this.#vanishedAt.set(job, since);
    }
  }

  /** Releases the slots that were reserved before the time `before`. */
  expire(before: number): number {
    let expired = 0;
    // The map keeps the order of insertion, so the oldest come first.
    for (const { job, at } of this.#byJob.values()) {
      if (at >= before) break;
      this.release(job);
      expired += 1;
    }
    return expired;
  }
}
