import { readFile } from 'node:fs/promises';
import { checkerOf } from '#bus-schemas/platform.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import { type Static, Type } from '#bus-schemas/type.ts';

/** After the system ended an engine because the memory was full, it may use less of it. */
const Lowered = Type.Object({
  share: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
  /** Time of the last such end, in milliseconds since 1970. */
  at: Type.Integer({ minimum: 0 }),
});
type Lowered = Static<typeof Lowered>;

/** Factor of the share after each end for lack of memory. */
const STEP = 0.8;
const LEAST_SHARE = 0.2;
/** Time after which the full share is tried again, in milliseconds. */
const FORGET_MS = 7 * 86_400_000;

interface MemoryShareOptions {
  /** The share that the owner allows. */
  readonly most: number;
  /** Keeps a lower share over restarts of the worker; without it the share is only in memory. */
  readonly file: string | undefined;
  readonly now: () => number;
}

/** The share of the memory for models that an engine may use at present. */
export class MemoryShare {
  readonly #options: MemoryShareOptions;
  #lowered: Lowered | undefined;

  constructor(options: MemoryShareOptions) {
    this.#options = options;
  }

  async share(): Promise<number> {
    const { most, now } = this.#options;
    this.#lowered ??= await this.#read();
    const { share, at } = this.#lowered ?? { share: 1, at: 0 };
    return now() - at > FORGET_MS ? most : Math.min(most, share);
  }

  /** Call it after the system ended the engine because the memory was full. */
  async lower(): Promise<void> {
    const { file, now } = this.#options;
    const share = Math.max(LEAST_SHARE, STEP * (await this.share()));
    this.#lowered = { share, at: now() };
    if (file !== undefined) await replace(file, `${JSON.stringify(this.#lowered)}\n`);
  }

  async #read(): Promise<Lowered | undefined> {
    const { file } = this.#options;
    const text = file === undefined ? undefined : await readIfThere(file);
    try {
      return text === undefined ? undefined : checkerOf(Lowered).Parse(JSON.parse(text));
    } catch {
      // The owner, or another version, wrote the file. The next end for lack of memory replaces it.
      return undefined;
    }
  }
}

/**
 * Reads how many processes the kernel has ended for lack of memory, in this or another control group,
 * from Linux's `/proc/vmstat`. Undefined on systems without this file.
 */
export async function oomKills(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const count = /^oom_kill (\d+)$/m.exec(text ?? '')?.[1];
  return count === undefined ? undefined : Number(count);
}
