import { join } from 'node:path';
import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { gb } from '../downloads/fit.ts';
import { DesiredError } from './desired-error.ts';

/** Gigabytes that a machine may download in a day if its owner sets no limit. */
export const DEFAULT_DESIRED_GB = 50;
/** Builds that a machine serves because the network wanted them, at most. */
export const MAX_TAKEN = 8;
const DAY_LENGTH = 'YYYY-MM-DD'.length;
const BYTES_PER_GB = 1e9;

const Journal = Type.Object({
  /** The day, in UTC, to which `bytes` belongs. */
  day: Type.String(),
  /** Bytes that downloads of this day were allowed to fetch. */
  bytes: Type.Number({ minimum: 0 }),
  /** Repositories that were added because the network wanted them, the oldest first. */
  taken: Type.Array(Type.String(), { maxItems: MAX_TAKEN }),
});
type Journal = Static<typeof Journal>;

const EMPTY: Journal = { day: '', bytes: 0, taken: [] };

export interface DesiredJournalOptions {
  /** Home of the machine. */
  readonly home: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Keeps over restarts what the network caused this machine to download, so that a hostile or faulty
 * coordinator cannot fill its disk or use up its connection.
 */
export class DesiredJournal {
  readonly #path: string;
  readonly #now: () => number;

  constructor({ home, now }: DesiredJournalOptions) {
    this.#path = join(home, 'desired.json');
    this.#now = now;
  }

  /** Throws if the machine has as many wanted builds as it may have. `served` are its models. */
  async requireRoom(served: readonly string[]): Promise<void> {
    const { taken } = await this.#read();
    if (taken.filter((name) => served.includes(name)).length >= MAX_TAKEN)
      throw new DesiredError(
        'too_many',
        `This machine serves ${MAX_TAKEN} builds already because the network wanted them. "dinf provider start" with a --model for each model to keep makes room.`,
      );
  }

  /** Counts a download before it begins. Throws if the day's limit does not allow it. */
  async reserve(bytes: number, limitGb: number): Promise<void> {
    const journal = await this.#read();
    const day = new Date(this.#now()).toISOString().slice(0, DAY_LENGTH);
    const before = journal.day === day ? journal.bytes : 0;
    if (before + bytes > limitGb * BYTES_PER_GB)
      throw new DesiredError(
        'too_much',
        `It needs a download of ${gb(bytes)}, and ${gb(before)} of the ${limitGb} GB that you allow for a day were used (--desired-gb).`,
      );
    await this.#write({ ...journal, day, bytes: before + bytes });
  }

  /** Notes that the machine serves a wanted build. `served` are its models, with the new one. */
  async took(repository: string, served: readonly string[]): Promise<void> {
    const journal = await this.#read();
    const others = journal.taken.filter((name) => name !== repository && served.includes(name));
    await this.#write({ ...journal, taken: [...others, repository] });
  }

  /** A file that cannot be read counts as none: it must not stop the machine. */
  async #read(): Promise<Journal> {
    const text = await readIfThere(this.#path);
    try {
      const journal: unknown = text && JSON.parse(text);
      return checkerOf(Journal).Check(journal) ? journal : EMPTY;
    } catch {
      return EMPTY;
    }
  }

  async #write(journal: Journal): Promise<void> {
    await replace(this.#path, `${JSON.stringify(journal, null, 2)}\n`);
  }
}
