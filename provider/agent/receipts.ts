import { readFile, rename, writeFile } from 'node:fs/promises';
import { Receipt } from '#bus-schemas';

interface Outstanding {
  readonly payload: Uint8Array;
  nextAt: number;
  pauseMs: number;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** Money for work done: kept long, but not without end. The oldest goes first. */
const MAX_OUTSTANDING = 10_000;
const SAVE_MS = 1_000;

/** Says what was done, again and again, until the ledger has it; a restart goes on where the last run stopped. */
export class ReceiptKeeper implements AsyncDisposable {
  readonly #send: (payload: Uint8Array) => void;
  readonly #file: string | undefined;
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #saver: NodeJS.Timeout;
  #saved = '';

  private constructor(send: (payload: Uint8Array) => void, file: string | undefined) {
    this.#send = send;
    this.#file = file;
    this.#saver = setInterval(() => void this.#save(), SAVE_MS);
  }

  static async open({ send, file }: { send: (payload: Uint8Array) => void; file?: string | undefined }): Promise<ReceiptKeeper> {
    const keeper = new ReceiptKeeper(send, file);
    for (const payload of await readSaved(file)) {
      const { job, attempt } = Receipt.decode(payload);
      keeper.#outstanding.set(`${job} ${attempt}`, { payload, nextAt: 0, pauseMs: FIRST_PAUSE_MS });
    }
    return keeper;
  }

  get size(): number {
    return this.#outstanding.size;
  }

  add(receipt: Receipt, now: number): void {
    const payload = Receipt.encode(receipt);
    this.#outstanding.set(`${receipt.job} ${receipt.attempt}`, { payload, nextAt: now + FIRST_PAUSE_MS, pauseMs: FIRST_PAUSE_MS });
    if (this.#outstanding.size > MAX_OUTSTANDING) {
      const [oldest] = this.#outstanding.keys();
      if (oldest !== undefined) this.#outstanding.delete(oldest);
    }
    this.#send(payload);
  }

  acknowledged(receipts: readonly { job: string; attempt: number }[]): void {
    for (const { job, attempt } of receipts) this.#outstanding.delete(`${job} ${attempt}`);
  }

  tick(now: number): void {
    for (const receipt of this.#outstanding.values()) {
      if (now < receipt.nextAt) continue;
      receipt.pauseMs = Math.min(LONGEST_PAUSE_MS, receipt.pauseMs * 2);
      receipt.nextAt = now + receipt.pauseMs;
      this.#send(receipt.payload);
    }
  }

  async #save(): Promise<void> {
    if (this.#file === undefined) return;
    const text = JSON.stringify([...this.#outstanding.values()].map(({ payload }) => Buffer.from(payload).toString('base64')));
    if (text === this.#saved) return;
    this.#saved = text;
    const fresh = `${this.#file}.new`;
    await writeFile(fresh, text, { mode: 0o600 });
    await rename(fresh, this.#file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#saver);
    await this.#save();
  }
}

async function readSaved(file: string | undefined): Promise<Uint8Array[]> {
  if (file === undefined) return [];
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as string[]).map((text) => Buffer.from(text, 'base64'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
