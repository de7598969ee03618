import { JobOrder } from '#bus-schemas';

export interface OrderSenderOptions {
  readonly order: Omit<JobOrder, 'part' | 'parts' | 'sealed'>;
  readonly parts: readonly Uint8Array[];
  readonly publish: (order: Uint8Array) => void;
}

/**
 * Sends an order as often as it is asked to, always with the same bytes. Of a large one, it sends one
 * part in each turn of the event loop: all parts of 16 MiB at once would stop it.
 */
export class OrderSender {
  readonly #options: OrderSenderOptions;
  #next = 0;
  #turn: NodeJS.Immediate | undefined;

  constructor(options: OrderSenderOptions) {
    this.#options = options;
  }

  /** Whether parts have not been sent yet. */
  get isSending(): boolean {
    return this.#turn !== undefined;
  }

  get parts(): number {
    return this.#options.parts.length;
  }

  send(): void {
    this.stop();
    this.#next = 0;
    this.#sendPart();
  }

  stop(): void {
    clearImmediate(this.#turn);
    this.#turn = undefined;
  }

  #sendPart(): void {
    this.#turn = undefined;
    const { order, parts, publish } = this.#options;
    const sealed = parts[this.#next];
    if (sealed === undefined) return;
    publish(JobOrder.encode({ ...order, part: this.#next, parts: parts.length, sealed }));
    this.#next += 1;
    if (this.#next < parts.length) this.#turn = setImmediate(() => this.#sendPart());
  }
}
