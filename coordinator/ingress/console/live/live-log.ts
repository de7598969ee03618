import type { LiveEvent } from './live-events.ts';

/** Events of one account that a page can get after it was disconnected. */
export const KEPT_EVENTS = 256;

interface NumberedEvent {
  readonly number: number;
  readonly event: LiveEvent;
}

/** What a page gets when it connects, and the id from which it can continue. */
export interface Resumption {
  /** False if events may be missing, so that the page has to read everything again. */
  readonly isComplete: boolean;
  readonly missed: readonly { readonly id: string; readonly event: LiveEvent }[];
  readonly id: string;
}

/**
 * The last events of one account, numbered from 1. An id names the log and a number, so that an id
 * of another ingress or of an earlier run is never taken for one of this log.
 */
export class LiveLog {
  readonly #name: string;
  #events: NumberedEvent[] = [];
  #last = 0;
  /** Events up to this number cannot be continued from, because facts may have been lost after it. */
  #lostUpTo = -1;

  constructor(name: string) {
    this.#name = name;
  }

  /** The id of the last event. */
  get id(): string {
    return this.#idOf(this.#last);
  }

  /** Adds an event and returns its id; undefined if the fact is known already. */
  add(event: LiveEvent): string | undefined {
    if (this.#events.some((known) => known.event.fact === event.fact)) return undefined;
    this.#last += 1;
    this.#events.push({ number: this.#last, event });
    if (this.#events.length > KEPT_EVENTS) this.#events.shift();
    return this.id;
  }

  /** Facts may have been lost: only the id after this call can be continued from. */
  lose(): void {
    this.#lostUpTo = this.#last;
    this.#last += 1;
  }

  after(id: string | undefined): Resumption {
    if (id === undefined) return { isComplete: true, missed: [], id: this.id };
    const number = this.#numberOf(id);
    const oldest = this.#events.length < KEPT_EVENTS ? 0 : (this.#events[0]?.number ?? 1) - 1;
    const isKnown =
      number !== undefined && number >= oldest && number <= this.#last && number > this.#lostUpTo;
    if (!isKnown) return { isComplete: false, missed: [], id: this.id };
    const missed = this.#events
      .filter((each) => each.number > number)
      .map((each) => ({ id: this.#idOf(each.number), event: each.event }));
    return { isComplete: true, missed, id: this.id };
  }

  #idOf(number: number): string {
    return `${this.#name}-${number}`;
  }

  #numberOf(id: string): number | undefined {
    const [, name, digits] = /^(.+)-(\d{1,15})$/.exec(id) ?? [];
    return name === this.#name ? Number(digits) : undefined;
  }
}
