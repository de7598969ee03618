import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { MachineHour, MachineHours } from '../core/machine-hours.ts';
import { deleteDays, putDays, readDays } from './day-store.ts';

const TICK_MS = 10_000;
/** Time between two writes of a machine, in milliseconds: a killed router loses at most that. */
const WRITE_EVERY_MS = 5 * 60_000;
const DELETE_EVERY_MS = 3_600_000;
/** Most rows of one statement. */
const BATCH = 1_000;

export interface MachineDaysOptions {
  readonly database: Pool;
  readonly log: Logger;
  readonly hours: MachineHours;
  /** Time in milliseconds since 1970. */
  readonly now: () => number;
  /** Whether this router decides for the machine: only one router writes its day. */
  readonly isServed: (provider: string) => boolean;
}

/**
 * Keeps the last day of each machine in Postgres (table `machine_days`), so that it outlives routers.
 * No decision waits for it. While Postgres is away, minutes are counted in memory and added later.
 */
export class MachineDays implements AsyncDisposable {
  readonly #options: MachineDaysOptions;
  readonly #timer: NodeJS.Timeout;
  /** Machines whose stored hours are in memory, with the time of their last write. */
  readonly #known = new Map<string, number>();
  #work: Promise<void> | undefined;
  #deleteAt: number;
  #isAway = false;

  constructor(options: MachineDaysOptions) {
    this.#options = options;
    this.#deleteAt = options.now() + DELETE_EVERY_MS;
    this.#timer = setInterval(() => {
      this.#work ??= this.#tick().finally(() => {
        this.#work = undefined;
      });
    }, TICK_MS);
  }

  /** This router begins to lead: what it has in memory is older than what others have written. */
  begin(): void {
    this.#options.hours.clear();
    this.#known.clear();
  }

  /** The hours of a machine of this cell; an empty list for those of other cells. */
  async of(provider: string): Promise<MachineHour[]> {
    const { hours, isServed, now } = this.#options;
    if (!isServed(provider)) return [];
    if (!this.#known.has(provider)) await this.#read([provider]);
    return hours.of(provider, now());
  }

  /** Writes the days of all machines, because this router ends. */
  async writeAll(): Promise<void> {
    await this.#work;
    if (this.#isAway) return;
    await this.#write(Number.POSITIVE_INFINITY).catch((error: unknown) => this.#failed(error));
  }

  /** Writes the days that were last written or read before this time. */
  async #write(before: number): Promise<void> {
    const { database, hours, now } = this.#options;
    const due = [...this.#known].filter(([, at]) => at < before).map(([provider]) => provider);
    for (let at = 0; at < due.length; at += BATCH) {
      const batch = due.slice(at, at + BATCH);
      await putDays(
        database,
        new Map(batch.map((provider) => [provider, hours.of(provider, now())])),
      );
      for (const provider of batch) if (this.#known.has(provider)) this.#known.set(provider, now());
    }
  }

  async #tick(): Promise<void> {
    const { database, hours, isServed, now } = this.#options;
    for (const provider of hours.providers()) if (!isServed(provider)) hours.drop(provider);
    for (const provider of this.#known.keys())
      if (!hours.has(provider)) this.#known.delete(provider);
    try {
      const unread = [...hours.providers()].filter((provider) => !this.#known.has(provider));
      for (let at = 0; at < unread.length; at += BATCH)
        await this.#read(unread.slice(at, at + BATCH));
      await this.#write(now() - WRITE_EVERY_MS);
      if (now() >= this.#deleteAt) {
        this.#deleteAt = now() + DELETE_EVERY_MS;
        await deleteDays(database, BATCH);
      }
      this.#isAway = false;
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!this.#isAway)
      this.#options.log.warn(
        { err: error },
        'the days of machines are out of reach in the database: their minutes are counted in memory until it answers',
      );
    this.#isAway = true;
  }

  /** Adds the stored minutes to those that this router has counted since it began to lead. */
  async #read(providers: readonly string[]): Promise<void> {
    const { database, hours, now } = this.#options;
    const stored = await readDays(database, providers);
    for (const provider of providers) {
      if (this.#known.has(provider)) continue;
      hours.add(provider, stored.get(provider) ?? [], now());
      if (hours.has(provider)) this.#known.set(provider, now());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#work;
  }
}
