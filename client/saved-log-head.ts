import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { homeFolder } from '#bus-schemas/running-network.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';
import type { PrintedHead } from './mod.ts';

/**
 * The newest log head of a network that this machine has seen. The attack that it prevents: a
 * coordinator that shows this machine another log for one request would have to continue that log
 * forever, because every later head must be consistent with this one.
 */
export class SavedLogHead {
  readonly #file: string;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string) {
    this.#file = file;
  }

  static async of(coordinatorUrl: string): Promise<SavedLogHead> {
    const home = homeFolder(process.env);
    await mkdir(home, { recursive: true, mode: 0o700 });
    return new SavedLogHead(
      join(home, `log-${new URL(coordinatorUrl).host.replace(/[^a-z0-9.]/gi, '-')}.json`),
    );
  }

  async read(): Promise<PrintedHead | undefined> {
    const text = await readIfThere(this.#file);
    return text === undefined ? undefined : (JSON.parse(text) as PrintedHead);
  }

  /** Stores heads in the order of the calls. */
  save(head: PrintedHead): Promise<void> {
    this.#writing = this.#writing.then(() => replace(this.#file, JSON.stringify(head)));
    return this.#writing;
  }
}
