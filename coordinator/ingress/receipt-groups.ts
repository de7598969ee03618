import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from 'pino';
import { messageOf } from '#bus-schemas/message-of.ts';
import { isAbleEverywhere } from '#coordinator/running-versions.ts';

/** Pause before the next question, in milliseconds, by the last answer. */
const PAUSES_MS = { no: 5_000, yes: 30_000 };

/**
 * Whether machines may sign several receipts at once. Settlement gets the receipts from the machines
 * itself, in any of its copies, and an older copy would store them without their places. So this
 * asks on the bus which copies run, and orders allow groups only while all of them read groups. An
 * older copy that starts, because an upgrade is taken back, is noticed after the pause.
 */
export class ReceiptGroups implements AsyncDisposable {
  readonly #connection: NatsConnection;
  readonly #log: Logger;
  readonly #pausesMs: typeof PAUSES_MS;
  #areRead = false;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void>;
  #isStopped = false;

  constructor({
    connection,
    log,
    pausesMs = PAUSES_MS,
  }: { connection: NatsConnection; log: Logger; pausesMs?: typeof PAUSES_MS }) {
    this.#connection = connection;
    this.#log = log;
    this.#pausesMs = pausesMs;
    this.#asking = this.#ask();
  }

  get areRead(): boolean {
    return this.#areRead;
  }

  async #ask(): Promise<void> {
    try {
      const asked = { component: 'settlement', ability: 'receipt_groups' } as const;
      this.#areRead = await isAbleEverywhere(this.#connection, asked);
    } catch (error) {
      this.#areRead = false;
      this.#log.debug(
        { reason: messageOf(error) },
        'the versions of settlement are unknown; machines sign each receipt alone',
      );
    }
    if (this.#isStopped) return;
    const { yes, no } = this.#pausesMs;
    this.#timer = setTimeout(
      () => {
        this.#asking = this.#ask();
      },
      this.#areRead ? yes : no,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#asking;
  }
}
