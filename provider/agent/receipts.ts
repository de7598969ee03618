import type { Logger } from 'pino';
import { type Receipt, Receipts } from '#bus-schemas';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';

interface Outstanding {
  readonly receipt: Receipt;
  wasSent: boolean;
  nextAt: number;
  pauseMs: number;
}

export interface ReceiptKeeperOptions {
  readonly send: (payload: Uint8Array) => void;
  /** The file in which receipts survive a restart; without it they are only in memory. */
  readonly file?: string | undefined;
  readonly log: Logger;
}

/**
 * Time for which receipts are gathered into one message, in milliseconds. The ingress has reported the
 * end of the job meanwhile, with the key of its receipt, and settlement charges it by that report.
 */
const GATHER_MS = 250;
/** Pause before a receipt is sent again, in milliseconds; it doubles up to LONGEST_PAUSE_MS. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Most receipts in one message. */
const MAX_TOGETHER = 128;
/**
 * Most receipts that are kept, so that a coordinator that acknowledges none cannot fill the memory.
 * The oldest is dropped first; its work is then not paid.
 */
const MAX_OUTSTANDING = 10_000;
/** Time between two checks whether the file must be written, in milliseconds. */
const SAVE_MS = 1_000;

/**
 * Sends each receipt again until settlement acknowledges it. After a restart it continues with the
 * receipts in the file.
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
      wasSent: false,
      nextAt,
      pauseMs: FIRST_PAUSE_MS,
    });
  }

  acknowledged(receipts: readonly { job: string; attempt: number }[]): void {
    for (const { job, attempt } of receipts) this.#outstanding.delete(`${job} ${attempt}`);
  }

  tick(now: number): void {
    const all = [...this.#outstanding.values()];
    if (!all.some(({ nextAt }) => now >= nextAt)) return;
    // Receipts that wait for others are sent with the first one that is due.
    const due = all.filter(({ nextAt, wasSent }) => !wasSent || now >= nextAt);
    for (const outstanding of due) {
      outstanding.wasSent = true;
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
    await replace(file, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#saver);
    await this.#save();
  }
}

async function readSaved(file: string | undefined): Promise<Receipt[]> {
  const text = file === undefined ? undefined : await readIfThere(file);
  if (text === undefined) return [];
  return (JSON.parse(text) as string[]).flatMap(
    (line) => Receipts.decode(Buffer.from(line, 'base64')).receipts,
  );
}
