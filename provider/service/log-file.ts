import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MAX_BYTES = 5 * 1024 * 1024;
/** Number of older files that are kept: `provider.log.1` is the newest of them. */
const OLDER = 3;

export const logPath = (home: string): string => join(home, 'log', 'provider.log');

/**
 * Appends lines to the log of this machine. A full file becomes `provider.log.1`, so the log takes
 * at most 20 MiB. Lines that cannot be written, for example because the disk is full, are counted:
 * the machine serves without its log.
 */
export class LogFile {
  readonly #path: string;
  #bytes: number;
  #missing = 0;

  constructor(home: string) {
    this.#path = logPath(home);
    mkdirSync(join(home, 'log'), { recursive: true, mode: 0o700 });
    this.#bytes = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  add(line: string): void {
    const gap = this.#missing === 0 ? '' : `${this.#missing} lines could not be written here\n`;
    const text = `${gap}${line}\n`;
    try {
      if (this.#bytes > 0 && this.#bytes + text.length > MAX_BYTES) this.#rotate();
      appendFileSync(this.#path, text, { mode: 0o600 });
    } catch {
      this.#missing += 1;
      return;
    }
    this.#missing = 0;
    this.#bytes += Buffer.byteLength(text);
  }

  #rotate(): void {
    const older = (number: number) => `${this.#path}.${number}`;
    rmSync(older(OLDER), { force: true });
    for (let number = OLDER - 1; number >= 1; number -= 1) {
      if (statSync(older(number), { throwIfNoEntry: false }) !== undefined)
        renameSync(older(number), older(number + 1));
    }
    renameSync(this.#path, older(1));
    this.#bytes = 0;
  }
}
