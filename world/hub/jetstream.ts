import type { Planned, VirtualTime } from '../virtual/virtual-time.ts';
import type { Account, Service } from './bus-router.ts';
import { Consumer, type ConsumerConfig, type Pull } from './consumer.ts';
import { type BusMessage, headerIn, statusHeaders } from './parser.ts';
import { matches } from './subjects.ts';

export interface StoredMessage {
  readonly seq: number;
  readonly subject: string;
  readonly headers: Buffer | undefined;
  readonly payload: Buffer;
  readonly at: number;
}

interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  /** In nanoseconds, as all times of JetStream. */
  readonly duplicate_window: number;
}

interface Stream {
  config: StreamConfig;
  readonly created: string;
  readonly messages: Map<number, StoredMessage>;
  readonly consumers: Map<string, Consumer>;
  /** The message ids of the duplicate window, the oldest first. */
  readonly ids: Map<string, StoredMessage>;
  lastSeq: number;
}

/** What the disk of a hub holds; it survives the hub. */
export interface HubDisk {
  readonly streams: Map<string, Stream>;
  /** The accounts of machines that trust has admitted. */
  readonly machines: Set<string>;
  /** A full disk stores nothing, and JetStream answers nothing. */
  isFull: boolean;
}

export const emptyDisk = (): HubDisk => ({
  streams: new Map(),
  machines: new Set(),
  isFull: false,
});

interface ApiError {
  readonly error: {
    readonly code: number;
    readonly err_code: number;
    readonly description: string;
  };
}

const missing = (what: string, code: number): ApiError => ({
  error: { code: 404, err_code: code, description: `${what} not found` },
});
const NO_STREAM = missing('stream', 10_059);
const NO_CONSUMER = missing('consumer', 10_014);
const NANOSECONDS = 1e6;
/** How often a hub looks for facts that nobody acknowledged in time, in milliseconds. */
const ACK_CHECK_MS = 250;
const API = '$JS.API.';

/** JetStream of one hub: streams, durable consumers that pull, acknowledgements and their limits. */
export class JetStream {
  readonly #disk: HubDisk;
  readonly #time: VirtualTime;
  readonly #send: (account: Account, message: BusMessage) => void;
  readonly #isRead: (account: Account, subject: string) => boolean;
  readonly #pulls = new Map<Consumer, Pull[]>();

  /** `isRead` answers whether anybody subscribes to a subject. */
  constructor({
    disk,
    time,
    send,
    isRead,
  }: {
    disk: HubDisk;
    time: VirtualTime;
    send: (account: Account, message: BusMessage) => void;
    isRead: (account: Account, subject: string) => boolean;
  }) {
    this.#disk = disk;
    this.#time = time;
    this.#send = send;
    this.#isRead = isRead;
    this.#checkLateAcks();
  }

  readonly service: Service = (account, message) => {
    if (account !== 'core') return false;
    const { subject } = message;
    if (subject.startsWith(API)) return this.#api(subject.slice(API.length).split('.'), message);
    if (subject.startsWith('$JS.ACK.')) return this.#acknowledged(message);
    return this.#store(message);
  };

  #reply(to: string | undefined, answer: unknown): void {
    if (to !== undefined)
      this.#send('core', { subject: to, payload: Buffer.from(JSON.stringify(answer)) });
  }

  /** The stream that stores messages of this subject. Only few subjects of the bus have one. */
  #streamOf(subject: string): Stream | undefined {
    const beginning = subject.slice(0, subject.indexOf('.') + 1);
    for (const stream of this.#disk.streams.values())
      for (const pattern of stream.config.subjects)
        if (pattern.startsWith(beginning) && matches(pattern, subject)) return stream;
    return undefined;
  }

  #store(message: BusMessage): boolean {
    const stream = this.#streamOf(message.subject);
    if (stream === undefined) return false;
    if (this.#disk.isFull) return true;
    const id = headerIn(message.headers, 'Nats-Msg-Id');
    const now = this.#time.date();
    const known = id === undefined ? undefined : stream.ids.get(id);
    const stored = known ?? {
      seq: ++stream.lastSeq,
      subject: message.subject,
      headers: message.headers,
      payload: message.payload,
      at: now,
    };
    if (known === undefined) {
      stream.messages.set(stored.seq, stored);
      if (id !== undefined) stream.ids.set(id, stored);
      for (const [old, { at }] of stream.ids) {
        if (now - at < stream.config.duplicate_window / NANOSECONDS) break;
        stream.ids.delete(old);
      }
      for (const consumer of stream.consumers.values()) this.#serve(stream, consumer);
    }
    this.#reply(message.reply, {
      stream: stream.config.name,
      seq: stored.seq,
      ...(known && { duplicate: true }),
    });
    return true;
  }

  #api([kind = '', verb = '', name = '', ...rest]: string[], message: BusMessage): boolean {
    const asked = message.payload.length === 0 ? {} : JSON.parse(message.payload.toString('utf8'));
    if (kind === 'CONSUMER' && verb === 'MSG') {
      const [stream = '', consumer = ''] = rest;
      return this.#pull(stream, consumer, asked, message.reply);
    }
    const answer = (): unknown => {
      if (kind === 'INFO')
        return { memory: 0, storage: 0, streams: 0, consumers: 0, limits: {}, api: {} };
      const stream = this.#disk.streams.get(name);
      if (kind === 'STREAM') return this.#streamCall(verb, name, asked);
      if (stream === undefined) return NO_STREAM;
      return this.#consumerCall(stream, verb, rest[0] ?? asked.config?.durable_name, asked);
    };
    this.#reply(message.reply, answer());
    return true;
  }

  #streamCall(verb: string, name: string, config: StreamConfig): unknown {
    const known = this.#disk.streams.get(name);
    if (verb === 'CREATE') {
      const stream = known ?? {
        config,
        created: new Date(this.#time.date()).toISOString(),
        messages: new Map(),
        consumers: new Map(),
        ids: new Map(),
        lastSeq: 0,
      };
      this.#disk.streams.set(name, stream);
      return infoOf(stream);
    }
    if (known === undefined) return NO_STREAM;
    if (verb === 'UPDATE') known.config = { ...known.config, ...config };
    return infoOf(known);
  }

  #consumerCall(
    stream: Stream,
    verb: string,
    name: string,
    asked: { config?: ConsumerConfig },
  ): unknown {
    const known = stream.consumers.get(name);
    if (verb === 'CREATE' || verb === 'DURABLE') {
      const config = asked.config ?? {};
      if (known !== undefined) known.change(config);
      else
        stream.consumers.set(
          name,
          new Consumer({
            stream: stream.config.name,
            name,
            config,
            created: new Date(this.#time.date()).toISOString(),
            lastSeq: stream.lastSeq,
          }),
        );
      return stream.consumers.get(name)?.info(stream.messages.values());
    }
    if (known === undefined) return NO_CONSUMER;
    if (verb !== 'DELETE') return known.info(stream.messages.values());
    stream.consumers.delete(name);
    this.#pulls.delete(known);
    return { success: true };
  }

  #pull(
    streamName: string,
    name: string,
    asked: { batch?: number; expires?: number; idle_heartbeat?: number; no_wait?: boolean },
    reply: string | undefined,
  ): boolean {
    const stream = this.#disk.streams.get(streamName);
    const consumer = stream?.consumers.get(name);
    if (stream === undefined || consumer === undefined || reply === undefined) return false;
    const pulls = this.#pulls.get(consumer) ?? [];
    this.#pulls.set(consumer, pulls);
    const pull: Pull = { reply, left: asked.batch ?? 1, isIdle: true };
    pulls.push(pull);
    this.#serve(stream, consumer);
    const end = (status: string): void => {
      const place = pulls.indexOf(pull);
      if (place === -1) return;
      pulls.splice(place, 1);
      this.#status(pull, status);
    };
    if (asked.no_wait) end('404 No Messages');
    else if (asked.expires) {
      this.#time.plan(asked.expires / NANOSECONDS, () => end('408 Request Timeout'));
      if (asked.idle_heartbeat) this.#beat(pulls, pull, asked.idle_heartbeat / NANOSECONDS);
    }
    return true;
  }

  #beat(pulls: readonly Pull[], pull: Pull, everyMs: number): void {
    this.#time.plan(everyMs, () => {
      if (!pulls.includes(pull)) return;
      if (pull.isIdle) this.#status(pull, '100 Idle Heartbeat');
      pull.isIdle = true;
      this.#beat(pulls, pull, everyMs);
    });
  }

  #status(pull: Pull, status: string): void {
    const headers = statusHeaders(status, {
      'Nats-Pending-Messages': pull.left,
      'Nats-Pending-Bytes': 0,
    });
    this.#send('core', { subject: pull.reply, headers, payload: Buffer.alloc(0) });
  }

  /** Delivers what the consumer may get now to those that wait for it. */
  #serve(stream: Stream, consumer: Consumer): void {
    const pulls = this.#pulls.get(consumer) ?? [];
    for (let pull = pulls[0]; pull !== undefined; pull = pulls[0]) {
      // The client that asked has ended.
      if (!this.#isRead('core', pull.reply)) {
        pulls.shift();
        continue;
      }
      const next = consumer.next(stream.messages, stream.lastSeq, this.#time.date());
      if (next === undefined) return;
      const { message, ack } = next;
      pull.left -= 1;
      pull.isIdle = false;
      if (pull.left === 0) pulls.shift();
      this.#send('core', {
        subject: pull.reply,
        deliveredAs: message.subject,
        reply: ack,
        payload: message.payload,
        ...(message.headers && { headers: message.headers }),
      });
    }
  }

  #acknowledged({ subject, payload, reply }: BusMessage): boolean {
    const [, , streamName = '', name = '', , seq] = subject.split('.');
    const stream = this.#disk.streams.get(streamName);
    const consumer = stream?.consumers.get(name);
    if (stream === undefined || consumer === undefined) return true;
    const word = payload.toString('latin1');
    if (word.startsWith('-NAK')) consumer.refused(Number(seq));
    else if (word === '+WPI') consumer.prolong(Number(seq), this.#time.date());
    else consumer.acknowledged(Number(seq));
    if (reply !== undefined) this.#send('core', { subject: reply, payload: Buffer.alloc(0) });
    this.#serve(stream, consumer);
    return true;
  }

  #checkLateAcks(): Planned {
    return this.#time.plan(ACK_CHECK_MS, () => {
      for (const stream of this.#disk.streams.values())
        for (const consumer of stream.consumers.values())
          if (consumer.expire(this.#time.date())) this.#serve(stream, consumer);
      this.#checkLateAcks();
    });
  }
}

function infoOf({ config, created, messages, consumers, lastSeq }: Stream): unknown {
  const [first] = messages.values();
  const last = messages.get(lastSeq);
  const time = (message: StoredMessage | undefined) => new Date(message?.at ?? 0).toISOString();
  return {
    config,
    created,
    state: {
      messages: messages.size,
      bytes: 0,
      first_seq: first?.seq ?? lastSeq + 1,
      first_ts: time(first),
      last_seq: lastSeq,
      last_ts: time(last),
      consumer_count: consumers.size,
    },
  };
}
