import { setImmediate } from 'node:timers/promises';
import { type JobOrder, MAX_REQUEST_BYTES, SEAL_OVERHEAD_BYTES } from '#bus-schemas';

/**
 * Collects the sealed parts of one request until all have arrived. A part that arrives again is
 * ignored, so that a later copy cannot replace the first one.
 */
export class RequestAssembly {
  readonly #first: JobOrder;
  readonly #parts: (Uint8Array | undefined)[];
  #missing: number;
  #size = 0;

  constructor(first: JobOrder) {
    this.#first = first;
    this.#parts = new Array(first.parts).fill(undefined);
    this.#missing = first.parts;
  }

  get order(): JobOrder {
    return this.#first;
  }

  /** Returns false if the part cannot belong to this request or makes it too large. */
  add(order: JobOrder): boolean {
    if (order.parts !== this.#first.parts || order.part >= order.parts) return false;
    if (this.#parts[order.part] !== undefined) return true;
    this.#size += order.sealed.length;
    if (this.#size > MAX_REQUEST_BYTES + order.parts * 64) return false;
    this.#parts[order.part] = order.sealed;
    this.#missing -= 1;
    return true;
  }

  get isWhole(): boolean {
    return this.#missing === 0;
  }

  /** Decrypts all parts and joins them, one in each turn of the event loop. */
  async open(openPart: (part: number, sealed: Uint8Array) => Uint8Array): Promise<Uint8Array> {
    const size = this.#size - SEAL_OVERHEAD_BYTES * this.#parts.length;
    const whole = new Uint8Array(Math.max(0, size));
    let at = 0;
    for (const [part, sealed] of this.#parts.entries()) {
      if (part > 0) await setImmediate();
      const plain = openPart(part, sealed ?? new Uint8Array());
      whole.set(plain, at);
      at += plain.length;
      plain.fill(0);
    }
    return whole;
  }
}
