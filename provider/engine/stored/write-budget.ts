import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';

const Granted = Type.Object({
  /** UTC day, as in 2026-01-31. */
  day: Type.String(),
  bytes: Type.Number({ minimum: 0 }),
});
type Granted = Static<typeof Granted>;

/** Bytes by which the granted amount grows, so that the file is not written for each page. */
const GRANT_BYTES = 256 * 1024 * 1024;

/**
 * Limits the bytes that are written on one UTC day, because flash memory wears out. The granted bytes
 * are saved before they are written, so a process that is killed again and again exceeds no limit.
 */
export class WriteBudget {
  readonly #file: string;
  readonly #dailyBytes: number;
  readonly #now: () => number;
  #granted: Granted | undefined;
  /** Granted bytes of this day that are not used yet. */
  #left = 0;

  constructor({ file, dailyBytes, now }: { file: string; dailyBytes: number; now: () => number }) {
    this.#file = file;
    this.#dailyBytes = dailyBytes;
    this.#now = now;
  }

  /** Bytes granted today, including those that are not written yet. */
  get grantedBytes(): number {
    return this.#granted?.day === this.#today ? this.#granted.bytes : 0;
  }

  /** Returns false if the bytes would exceed the limit of the day. */
  async take(bytes: number): Promise<boolean> {
    this.#granted ??= await this.#read();
    if (this.#granted.day !== this.#today) {
      this.#granted = { day: this.#today, bytes: 0 };
      this.#left = 0;
    }
    if (this.#left < bytes) {
      const more = Math.min(Math.max(GRANT_BYTES, bytes), this.#dailyBytes - this.#granted.bytes);
      if (this.#left + more < bytes) return false;
      this.#granted = { day: this.#today, bytes: this.#granted.bytes + more };
      this.#left += more;
      await replace(this.#file, JSON.stringify(this.#granted));
    }
    this.#left -= bytes;
    return true;
  }

  get #today(): string {
    return new Date(this.#now()).toISOString().slice(0, 10);
  }

  async #read(): Promise<Granted> {
    const text = await readIfThere(this.#file);
    try {
      if (text !== undefined) return checkerOf(Granted).Parse(JSON.parse(text));
    } catch {
      // The file is damaged. It may have been full, so nothing more is written today.
      return { day: this.#today, bytes: this.#dailyBytes };
    }
    return { day: this.#today, bytes: 0 };
  }
}
