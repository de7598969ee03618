import type { Logger } from 'pino';
import { Ack, core, type Delivered, providerOf, type Receipt, Receipts } from '#bus-schemas';
import { Batcher } from '#coordinator/batcher.ts';
import type { Bus } from '#coordinator/bus.ts';
import type { DeliveryProofs } from '#coordinator/delivery-proofs.ts';
import { isRowsFault } from '../database-work.ts';
import type { JobStore } from './job-store.ts';
import { ReceiptQuota } from './receipt-quota.ts';
import type { ReceiptRow } from './receipt-store.ts';

const MAX_BATCH = 256;
/**
 * The first receipt of a batch waits this long for others, in milliseconds. No request waits for
 * receipts, and fewer, larger transactions leave more processor time for requests.
 */
const GATHER_MS = 50;
/**
 * At most this many receipts wait in memory for the database. Further ones are dropped, and
 * providers send them again because they were not acknowledged.
 */
const MAX_WAITING = 10_000;

/**
 * Stores receipts and acknowledges those that need not be sent again. The provider's name comes
 * from the subject, where the hub sets it, so that no machine can send a receipt in the name of
 * another one. A hostile provider can send any number of receipts: a quota per second bounds the
 * work, and only jobs that were ordered from it leave rows.
 */
export class ReceiptReader implements Disposable {
  readonly #bus: Bus;
  readonly #proofs: DeliveryProofs;
  readonly #log: Logger;
  readonly #batcher: Batcher<ReceiptRow, undefined>;
  readonly #quota: ReceiptQuota;
  readonly #subscription: { unsubscribe(): void };
  #waiting = 0;

  constructor({
    bus,
    store,
    proofs,
    log,
    now,
  }: { bus: Bus; store: JobStore; proofs: DeliveryProofs; log: Logger; now: () => number }) {
    this.#quota = new ReceiptQuota(now);
    this.#bus = bus;
    this.#proofs = proofs;
    this.#log = log;
    const run = async (rows: readonly ReceiptRow[]): Promise<undefined[]> => {
      this.#acknowledge(await store.receipts.record(rows));
      return rows.map(() => undefined);
    };
    this.#batcher = new Batcher({
      run,
      maximum: MAX_BATCH,
      gatherMs: GATHER_MS,
      isItemsFault: isRowsFault,
    });
    this.#subscription = bus.subscribe({
      subject: core.everyUp('receipt'),
      kind: Receipts,
      queue: 'settlement',
      wants: (subject) => !this.#quota.isSpent(providerOf(subject)),
      handle: ({ receipts }, subject) => {
        for (const receipt of receipts) void this.#take(receipt, providerOf(subject));
      },
    });
  }

  async #take({ usage, delivered, ...receipt }: Receipt, provider: string): Promise<void> {
    if (this.#waiting >= MAX_WAITING || !this.#quota.take(provider)) return;
    this.#waiting += 1;
    try {
      await this.#batcher.add({
        ...receipt,
        ...usage,
        provider,
        deliveredTokens: this.#provenTokens(receipt, provider, delivered),
      });
    } catch (error) {
      this.#log.warn(
        { err: error },
        'receipts could not be stored; providers will send them again',
      );
    } finally {
      this.#waiting -= 1;
    }
  }

  /**
   * Returns the number of delivered tokens that a proof of the ingress confirms, or 0 without a
   * valid proof. Otherwise a provider could charge for tokens that the client never received.
   */
  #provenTokens(
    { job, attempt }: Pick<Receipt, 'job' | 'attempt'>,
    provider: string,
    delivered: Delivered | undefined,
  ): number {
    if (delivered === undefined) return 0;
    if (
      this.#proofs.isProven({ provider, job, attempt, tokens: delivered.tokens }, delivered.proof)
    )
      return delivered.tokens;
    this.#log.warn(
      { provider, job },
      'a receipt claims delivered tokens without a valid proof; they are not counted',
    );
    return 0;
  }

  #acknowledge(rows: readonly Pick<ReceiptRow, 'job' | 'attempt' | 'provider'>[]): void {
    for (const [provider, receipts] of Map.groupBy(rows, (row) => row.provider)) {
      this.#bus.publish(core.down(provider, 'ack'), Ack, {
        receipts: receipts.map(({ job, attempt }) => ({ job, attempt })),
      });
    }
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }
}
