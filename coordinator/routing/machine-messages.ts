import type { Logger } from 'pino';
import type { Counter } from 'prom-client';
import {
  type Announcement,
  Beat,
  Capacity,
  core,
  events,
  Hello,
  type MessageKind,
  providerOf,
  Violation,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { type LimitedMessage, MessageRates } from './core/message-rates.ts';

/** A machine whose messages cannot be decoded is reported once in this time, in milliseconds. */
const REPORT_EVERY_MS = 1_000;

export interface MachineMessagesOptions {
  readonly bus: Bus;
  readonly log: Logger;
  readonly rejected: Counter<'kind'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Monotonic clock, in milliseconds. */
  readonly clock: () => number;
  /** Whether the machine belongs to this router's cell. */
  readonly isOwn: (provider: string) => boolean;
  readonly onAnnouncement: (provider: string, announcement: Announcement) => void;
  readonly onCapacity: (provider: string, capacity: Capacity) => void;
}

/**
 * Receives what machines report about themselves. Before a message is decoded, its machine must
 * belong to this cell and must not exceed its message limits.
 */
export class MachineMessages implements Disposable {
  readonly #options: MachineMessagesOptions;
  readonly #rates = new MessageRates();
  readonly #subscriptions: readonly { unsubscribe(): void }[];

  constructor(options: MachineMessagesOptions) {
    this.#options = options;
    const { bus, onCapacity } = options;
    this.#subscriptions = [
      this.#subscribeToAnnouncements(Hello, 'hello'),
      this.#subscribeToAnnouncements(Beat, 'beat'),
      bus.subscribe({
        subject: core.everyUp('capacity'),
        kind: Capacity,
        wants: this.#admitting('capacity'),
        onInvalid: (_error, subject) => this.#malformed(providerOf(subject)),
        handle: (capacity, subject) => onCapacity(providerOf(subject), capacity),
      }),
    ];
  }

  isFlooding(provider: string): boolean {
    return this.#rates.isFlooding(provider, this.#options.clock());
  }

  sweep(): void {
    this.#rates.sweep(this.#options.clock());
  }

  #subscribeToAnnouncements(
    kind: MessageKind<Announcement>,
    type: 'hello' | 'beat',
  ): { unsubscribe(): void } {
    const { bus, onAnnouncement } = this.#options;
    return bus.subscribe({
      subject: core.everyUp(type),
      kind,
      wants: this.#admitting('announcement'),
      onInvalid: (_error, subject) => this.#malformed(providerOf(subject)),
      handle: (announcement, subject) => onAnnouncement(providerOf(subject), announcement),
    });
  }

  #admitting(kind: LimitedMessage): (subject: string, bytes: number) => boolean {
    const { isOwn, clock, rejected } = this.#options;
    return (subject, bytes) => {
      const provider = providerOf(subject);
      if (!isOwn(provider)) return false;
      const admission = this.#rates.admit(provider, { kind, bytes }, clock());
      if (admission === 'taken') return true;
      rejected.inc({ kind });
      if (admission === 'flood') this.#flooded(provider, kind, bytes);
      return false;
    };
  }

  #flooded(provider: string, kind: LimitedMessage, bytes: number): void {
    const { log, now } = this.#options;
    log.warn(
      { provider, kind, bytes },
      'a machine floods the router with messages; it gets no jobs until it has sent fewer for a minute',
    );
    const at = now();
    this.#violated({ provider, at, violation: 'flood' }, `violation:flood:${provider}:${at}`);
  }

  #malformed(provider: string): void {
    const at = this.#options.now();
    this.#violated(
      { provider, at, violation: 'malformed_message' },
      `violation:${provider}:${Math.floor(at / REPORT_EVERY_MS)}`,
    );
  }

  #violated(violation: Violation, id: string): void {
    this.#options.bus.emit(events.telemetryViolation, Violation, violation, id);
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}
