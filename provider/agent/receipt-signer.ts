import type { Logger } from 'pino';
import { MAX_GROUP, type Receipt, type Signer, signTogether, type WorkDone } from '#bus-schemas';
import { errorPlace } from '../error-place.ts';

export type UnsignedReceipt = WorkDone & { readonly version: 2 };

export interface SigningRequest {
  readonly receipt: UnsignedReceipt;
  /** The coordinator reads receipts of which several share one signature. */
  readonly grouped: boolean;
  /** Called once. Without a signature, if the key fails: settlement does not pay such a receipt. */
  readonly onSigned: (receipt: Receipt) => void;
}

/**
 * Signs receipts with the key that the network identifies this machine by. Receipts that are ready
 * in the same turn of the event loop share one signature, which costs as much as ten hashes. No
 * receipt waits longer than this turn: a machine with few requests signs each one alone, and a busy
 * one, whose turns are long, signs many together.
 */
export class ReceiptSigner implements Disposable {
  readonly #signer: Signer;
  readonly #log: Logger;
  #waiting: SigningRequest[] = [];
  #turnEnd: NodeJS.Immediate | undefined;

  constructor(signer: Signer, log: Logger) {
    this.#signer = signer;
    this.#log = log;
  }

  sign(request: SigningRequest): void {
    if (!request.grouped) return this.#signAll([request]);
    this.#waiting.push(request);
    if (this.#waiting.length === MAX_GROUP) this.#signWaiting();
    else this.#turnEnd ??= setImmediate(() => this.#signWaiting());
  }

  #signWaiting(): void {
    clearImmediate(this.#turnEnd);
    this.#turnEnd = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0) this.#signAll(waiting);
  }

  #signAll(requests: readonly SigningRequest[]): void {
    const receipts = requests.map(({ receipt }) => receipt);
    const signed = this.#signed(receipts);
    for (const [index, { receipt, onSigned }] of requests.entries()) {
      try {
        onSigned(signed[index] ?? receipt);
      } catch (error) {
        // The other receipts of the group must be sent too.
        this.#log.error(
          { job: receipt.job, err: errorPlace(error) },
          'the end of a job could not be sent',
        );
      }
    }
  }

  #signed(receipts: readonly UnsignedReceipt[]): readonly Receipt[] {
    try {
      return signTogether(receipts, this.#signer);
    } catch (error) {
      this.#log.error(
        { jobs: receipts.map(({ job }) => job), err: error },
        'the signing key of this machine failed: these jobs will not be paid',
      );
      return receipts;
    }
  }

  /** Signs what waits. */
  [Symbol.dispose](): void {
    this.#signWaiting();
  }
}
