import type { StoredMessage } from './jetstream.ts';
import { matches } from './subjects.ts';

export interface ConsumerConfig {
  readonly filter_subject?: string;
  /** In nanoseconds. */
  readonly ack_wait?: number;
  readonly max_ack_pending?: number;
  readonly ack_policy?: 'none' | 'all' | 'explicit';
  readonly deliver_policy?: 'all' | 'new' | 'by_start_sequence' | 'by_start_time' | 'last';
  readonly opt_start_seq?: number;
  readonly opt_start_time?: string;
}

/** A request of a client for the next messages of a consumer. */
export interface Pull {
  readonly reply: string;
  left: number;
  /** No message was sent since the last heartbeat. */
  isIdle: boolean;
}

const NANOSECONDS = 1e6;
const USUAL_ACK_WAIT_MS = 30_000;
const USUAL_MAX_PENDING = 1_000;

/** A consumer of a stream: which messages it delivered, and which were acknowledged. */
export class Consumer {
  readonly #stream: string;
  readonly #name: string;
  readonly #created: string;
  #config: ConsumerConfig;
  /** Delivered messages without acknowledgement, with the time at which each is delivered again. */
  readonly #open = new Map<number, { deliveries: number; until: number }>();
  readonly #again: number[] = [];
  #lastSeq = 0;
  #delivered = 0;

  constructor(made: {
    stream: string;
    name: string;
    config: ConsumerConfig;
    created: string;
    lastSeq: number;
  }) {
    this.#stream = made.stream;
    this.#name = made.name;
    this.#created = made.created;
    this.#config = made.config;
    const { deliver_policy: policy, opt_start_seq: start } = made.config;
    if (policy === 'new') this.#lastSeq = made.lastSeq;
    if (policy === 'by_start_sequence') this.#lastSeq = (start ?? 1) - 1;
  }

  change(config: ConsumerConfig): void {
    this.#config = { ...this.#config, ...config };
  }

  #wants({ subject, at }: StoredMessage): boolean {
    const { filter_subject: filter, opt_start_time: start } = this.#config;
    return (
      (filter === undefined || matches(filter, subject)) &&
      (start === undefined || at >= Date.parse(start))
    );
  }

  /** The next message that may be delivered, with the subject that acknowledges it. */
  next(
    messages: ReadonlyMap<number, StoredMessage>,
    lastSeq: number,
    now: number,
  ): { message: StoredMessage; ack: string } | undefined {
    const { max_ack_pending: most = USUAL_MAX_PENDING, ack_policy: policy } = this.#config;
    for (let seq = this.#again.shift(); seq !== undefined; seq = this.#again.shift()) {
      const message = messages.get(seq);
      if (message !== undefined && this.#open.has(seq)) return this.#deliver(message, now);
    }
    if (this.#open.size >= most && policy !== 'none') return undefined;
    while (this.#lastSeq < lastSeq) {
      this.#lastSeq += 1;
      const message = messages.get(this.#lastSeq);
      if (message !== undefined && this.#wants(message)) return this.#deliver(message, now);
    }
    return undefined;
  }

  #deliver(message: StoredMessage, now: number): { message: StoredMessage; ack: string } {
    const deliveries = (this.#open.get(message.seq)?.deliveries ?? 0) + 1;
    if (this.#config.ack_policy !== 'none')
      this.#open.set(message.seq, { deliveries, until: now + this.#ackWaitMs });
    this.#delivered += 1;
    const time = `${Math.round(message.at * NANOSECONDS)}`;
    const ack = `$JS.ACK.${this.#stream}.${this.#name}.${deliveries}.${message.seq}.${this.#delivered}.${time}.0`;
    return { message, ack };
  }

  get #ackWaitMs(): number {
    const { ack_wait: wait } = this.#config;
    return wait === undefined ? USUAL_ACK_WAIT_MS : wait / NANOSECONDS;
  }

  acknowledged(seq: number): void {
    this.#open.delete(seq);
  }

  refused(seq: number): void {
    if (this.#open.has(seq)) this.#again.push(seq);
  }

  prolong(seq: number, now: number): void {
    const open = this.#open.get(seq);
    if (open !== undefined) open.until = now + this.#ackWaitMs;
  }

  /** Plans the messages again that were not acknowledged in time. Returns whether there are any. */
  expire(now: number): boolean {
    for (const [seq, open] of this.#open)
      if (open.until <= now && !this.#again.includes(seq)) {
        open.until = now + this.#ackWaitMs;
        this.#again.push(seq);
      }
    return this.#again.length > 0;
  }

  info(messages: Iterable<StoredMessage>): unknown {
    const waiting = [...messages].filter(
      (message) => message.seq > this.#lastSeq && this.#wants(message),
    );
    const floor = this.#open.size === 0 ? this.#lastSeq : Math.min(...this.#open.keys()) - 1;
    return {
      stream_name: this.#stream,
      name: this.#name,
      created: this.#created,
      config: { ...this.#config, durable_name: this.#name },
      delivered: { consumer_seq: this.#delivered, stream_seq: this.#lastSeq },
      ack_floor: { consumer_seq: floor, stream_seq: floor },
      num_ack_pending: this.#open.size,
      num_redelivered: 0,
      num_waiting: 0,
      num_pending: waiting.length,
    };
  }
}
