import type { MachineEvent, MachineState } from './machine-state.ts';
import { sentenceOf } from './sentence.ts';

export interface LoggedEvent {
  /** Numbers start at 1 and have no gaps, so a reader notices what it missed. */
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: 'state' | 'answered';
  readonly text: string;
}

interface Transition {
  readonly before: MachineState;
  readonly after: MachineState;
  readonly now: number;
}

const STARTED_AGAIN = 'Started again: the service before this one ended unexpectedly.';
/** Number of events that can be read again. */
const MAX_EVENTS = 1_000;

/** The last events of this machine. A reader continues after the last number that it has read. */
export class EventLog {
  readonly #events: LoggedEvent[] = [];
  readonly #readers = new Set<() => void>();
  #lastId = 0;

  /** Number of the newest event; 0 before the first. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Adds what an owner wants to see: answers, changes of the phase, and why the machine closed. */
  add(event: MachineEvent, { before, after, now }: Transition): void {
    if (event.t === 'answered') this.#push({ at: now, kind: 'answered', text: lineOf(event) });
    if (after.phase !== before.phase || after.closed?.reason !== before.closed?.reason)
      this.#push({ at: now, kind: 'state', text: sentenceOf(after, now) });
  }

  /** Adds that this service follows one that was killed, or that failed. */
  addStartedAgain(now: number): void {
    this.#push({ at: now, kind: 'state', text: STARTED_AGAIN });
  }

  /** The events with a number above `after` that are still kept, the oldest first. */
  after(after: number): readonly LoggedEvent[] {
    return this.#events.filter(({ id }) => id > after);
  }

  /** Resolves when there is an event after `after`, or after `waitMs`. */
  async wait(after: number, waitMs: number): Promise<void> {
    if (this.#lastId > after) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    this.#readers.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#readers.delete(resolve);
  }

  #push(event: Omit<LoggedEvent, 'id'>): void {
    this.#lastId += 1;
    this.#events.push({ id: this.#lastId, ...event });
    if (this.#events.length > MAX_EVENTS) this.#events.shift();
    for (const wake of this.#readers) wake();
  }
}

/** The ends of answers that an owner need not know; the others follow the speed. */
const ENDS: Readonly<Record<string, string>> = {
  stop: '',
  length: '',
  tool_calls: '',
  out_of_memory: ', ended because the memory of this computer was almost full',
};

/** For example: `dinf-tiny answered 31 tokens in 0.4 s (78 tokens/s)`. */
export function lineOf({
  build,
  finish,
  promptTokens,
  completionTokens,
  ms,
}: Extract<MachineEvent, { t: 'answered' }>): string {
  const seconds = Math.max(ms, 1) / 1_000;
  const speed = (completionTokens / seconds).toFixed(1);
  const end = ENDS[finish] ?? `, ${finish}`;
  return `${build} answered ${completionTokens} tokens to ${promptTokens} in ${seconds.toFixed(1)} s (${speed} tokens/s${end})`;
}
