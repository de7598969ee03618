import type { Logger } from 'pino';
import type { Bus } from '#coordinator/bus.ts';
import type { LedgerStore, OutboxRow } from './store/ledger-store.ts';

const BATCH = 256;
const POLL_MS = 2_000;

/** Tells what the ledger wrote down to be told, until the bus has it. The message id makes a repeat no second fact. */
export class OutboxRelay implements AsyncDisposable {
  readonly #bus: Bus;
  readonly #store: LedgerStore;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #again = false;

  constructor({ bus, store, log }: { bus: Bus; store: LedgerStore; log: Logger }) {
    this.#bus = bus;
    this.#store = store;
    this.#log = log;
    this.#timer = setInterval(() => this.nudge(), POLL_MS);
  }

  /** There may be something to tell. */
  nudge(): void {
    this.#again = true;
    this.#running ??= this.#relay().finally(() => {
      this.#running = undefined;
    });
  }

  async #relay(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        const rows = await this.#store.waitingInOutbox(BATCH);
        await Promise.all(rows.map((row) => this.#tell(row)));
        if (rows.length > 0) await this.#store.clearOutbox(rows.map(({ id }) => id));
        if (rows.length === BATCH) this.#again = true;
      } catch (error) {
        this.#log.warn({ err: error }, 'settled jobs could not be told; they will be told later');
      }
    }
  }

  async #tell({ subject, messageId, payload }: OutboxRow): Promise<void> {
    await this.#bus.store(subject, payload, messageId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
