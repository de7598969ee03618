import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { type Receipt, Receipts } from '#bus-schemas';

interface Outstanding {
  readonly receipt: Receipt;
  nextAt: number;
  pauseMs: number;
}

export interface ReceiptKeeperOptions {
  readonly send: (payload: Uint8Array) => void;
  /** Where they outlive a restart. */
  readonly file?: string | undefined;
  readonly log: Logger;
}

/** Nobody waits for a receipt: those of a moment go together. */
const GATHER_MS = 50;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const MAX_TOGETHER = 128;
/** Money for work done: kept long, but not without end. The oldest goes first. */
const MAX_OUTSTANDING = 10_000;
const SAVE_MS = 1_000;

/**
 * Says what was done, again and again, until the ledger has it; a restart goes on where the last
 * run stopped.
 */
export class ReceiptKeeper implements AsyncDisposable {
  readonly #options: ReceiptKeeperOptions;
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #saver: NodeJS.Timeout;
  #saved = '';

  private constructor(options: ReceiptKeeperOptions) {
    this.#options = options;
    this.#saver = setInterval(() => {
      this.#save().catch((error: unknown) => {
        this.#saved = '';
        options.log.warn(
          { err: error },
          'receipts could not be saved; they are lost if this provider stops now',
        );
      });
    }, SAVE_MS);
  }

  static async open(options: ReceiptKeeperOptions): Promise<ReceiptKeeper> {
    const keeper = new ReceiptKeeper(options);
    for (const receipt of await readSaved(options.file)) keeper.#keep(receipt, 0);
    return keeper;
  }

  get size(): number {
    return this.#outstanding.size;
  }

  add(receipt: Receipt, now: number): void {
    this.#keep(receipt, now + GATHER_MS);
    if (this.#outstanding.size <= MAX_OUTSTANDING) return;
    const [oldest] = this.#outstanding.keys();
    if (oldest !== undefined) this.#outstanding.delete(oldest);
  }

  #keep(receipt: Receipt, nextAt: number): void {
    this.#outstanding.set(`${receipt.job} ${receipt.attempt}`, {
      receipt,
      nextAt,
      pauseMs: FIRST_PAUSE_MS,
    });
  }

  acknowledged(receipts: readonly { job: string; attempt: number }[]): void {
    for (const { job, attempt } of receipts) this.#outstanding.delete(`${job} ${attempt}`);
  }

  tick(now: number): void {
    const due = [...this.#outstanding.values()].filter(({ nextAt }) => now >= nextAt);
    for (const outstanding of due) {
      outstanding.nextAt = now + outstanding.pauseMs;
      outstanding.pauseMs = Math.min(LONGEST_PAUSE_MS, outstanding.pauseMs * 2);
    }
    for (let start = 0; start < due.length; start += MAX_TOGETHER) {
      this.#options.send(
        Receipts.encode({
          receipts: due.slice(start, start + MAX_TOGETHER).map(({ receipt }) => receipt),
        }),
      );
    }
  }

  async #save(): Promise<void> {
    const { file } = this.#options;
    if (file === undefined) return;
    const text = JSON.stringify(
      [...this.#outstanding.values()].map(({ receipt }) =>
        Buffer.from(Receipts.encode({ receipts: [receipt] })).toString('base64'),
      ),
    );
    if (text === this.#saved) return;
    this.#saved = text;
    const fresh = `${file}.new`;
    await writeFile(fresh, text, { mode: 0o600 });
    await rename(fresh, file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#saver);
    await this.#save();
  }
}

async function readSaved(file: string | undefined): Promise<Receipt[]> {
  if (file === undefined) return [];
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as string[]).flatMap(
      (text) => Receipts.decode(Buffer.from(text, 'base64')).receipts,
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
