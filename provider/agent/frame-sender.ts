import {
  type Delta,
  FrameContent,
  type InferenceEnd,
  type InferenceEvent,
  type Outline,
  type Receipt,
} from '#bus-schemas';

/**
 * The sender of one attempt's stream of frames. The receiver is
 * coordinator/ingress/core/frame-receiver.ts.
 *
 * Invariants:
 * - Each sequence number is sealed once, and a frame that is sent again has the same bytes. Two
 *   plaintexts under one nonce would reveal their XOR to a hub that reads both.
 * - A frame is kept until it is acknowledged.
 * - No frame is sent beyond the window.
 * - Tokens that wait for the window are joined into one piece of text.
 */
export interface FrameSenderOptions {
  readonly window: number;
  readonly seal: (seq: number, plain: Uint8Array) => Uint8Array;
  readonly send: (frame: SealedFrame) => void;
  /** True to add an unsealed outline (tokens, finish, usage) to each frame. */
  readonly outlined: boolean;
  /** True if nobody reads the answer before it is complete. */
  readonly whole: boolean;
  /** Called with true when the window becomes full and with false when it opens again. */
  readonly onBlocked: (blocked: boolean) => void;
  /** Calls `run` after `delayMs` milliseconds. */
  readonly later: (delayMs: number, run: (now: number) => void) => void;
}

export interface SealedFrame {
  readonly seq: number;
  readonly sealed: Uint8Array;
  readonly outline?: Outline;
  /** Present only with the frame that ends the attempt. */
  readonly receipt?: Receipt;
}

/**
 * Tokens that the engine makes within this time after a frame share the next frame, in
 * milliseconds: a reader sees no difference, and every hop has fewer messages to handle.
 */
const SPACING_MS = 2;
/**
 * The same for an answer that its client gets whole, after the first frame. The first one is hardly
 * delayed, because routing measures when the first content arrives.
 */
const WHOLE_SPACING_MS = 100;
/**
 * Time between a frame and its acknowledgement from which an ingress counts as late, in milliseconds:
 * longer than the way around the earth. It then has more frames than it can handle, so tokens share
 * frames for a part of this time, and for `MOST_SPACING_MS` at most.
 */
const LATE_MS = 250;
const LATE_PART = 1 / 4;
const MOST_SPACING_MS = 100;

/**
 * Time without an acknowledgement after which frames are sent again, in milliseconds, if the last
 * frame was sent or the window is full. No later frame then shows the receiver that one is missing.
 */
const TAIL_LOSS_MS = 500;
/**
 * The same in the middle of a stream, in milliseconds. There the next frame shows a gap, so this is
 * only for an engine that produces nothing for a while.
 */
const SILENCE_MS = 3_000;
/** Most frames that are sent again at once after a silence. */
const MAX_RESENT = 16;
/** Longest joined text in UTF-16 units; it keeps a frame well below the limit of a message. */
const MAX_TEXT_UNITS = 32 * 1024;

export class FrameSender {
  readonly #options: FrameSenderOptions;
  readonly #kept = new Map<number, { readonly frame: SealedFrame; readonly sentAt: number }>();
  #waiting: Delta[] = [];
  #end: { readonly event: InferenceEnd; readonly receipt: Receipt } | undefined;
  #next = 0;
  #received = 0;
  #window: number;
  #blocked = false;
  #movedAt = 0;
  #endSent = false;
  #sentAt = Number.NEGATIVE_INFINITY;
  #gathering = false;
  #spacingMs = SPACING_MS;

  constructor(options: FrameSenderOptions, now: number) {
    this.#options = options;
    this.#window = options.window;
    this.#movedAt = now;
  }

  /** True if all frames, including the last one, were sent and acknowledged. */
  get isDone(): boolean {
    return this.#endSent && this.#received >= this.#next;
  }

  delta(delta: Delta, now: number): void {
    const last = this.#waiting.at(-1);
    if (
      last !== undefined &&
      isContinued(last, delta) &&
      last.text.length + delta.text.length <= MAX_TEXT_UNITS
    ) {
      this.#waiting[this.#waiting.length - 1] = {
        ...last,
        text: last.text + delta.text,
        tokens: last.tokens + delta.tokens,
        ...(delta.ids && { ids: [...(last.ids ?? []), ...delta.ids] }),
      };
    } else {
      this.#waiting.push(delta);
    }
    const waitMs = this.#waitMs(now);
    if (waitMs === 0) this.#pump(now);
    else this.#gather(waitMs);
  }

  /** Time that a new piece waits for others, in milliseconds. */
  #waitMs(now: number): number {
    if (this.#options.whole) return this.#next === 0 ? SPACING_MS : WHOLE_SPACING_MS;
    return now - this.#sentAt < this.#spacingMs ? this.#spacingMs : 0;
  }

  #gather(waitMs: number): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#options.later(waitMs, (now) => {
      this.#gathering = false;
      this.#pump(now);
    });
  }

  end(event: InferenceEnd, receipt: Receipt, now: number): void {
    this.#end = { event, receipt };
    this.#pump(now);
  }

  flow(
    { received, window, resend }: { received: number; window: number; resend: boolean },
    now: number,
  ): void {
    if (received > this.#next || received < this.#received) return;
    const newest = this.#kept.get(received - 1);
    if (newest !== undefined) {
      this.#movedAt = now;
      const lateMs = now - newest.sentAt;
      this.#spacingMs =
        lateMs < LATE_MS ? SPACING_MS : Math.min(MOST_SPACING_MS, LATE_PART * lateMs);
    }
    for (let seq = this.#received; seq < received; seq += 1) this.#kept.delete(seq);
    this.#received = received;
    this.#window = Math.max(this.#window, window);
    if (resend) this.#sendAgain(this.#next - this.#received, now);
    this.#pump(now);
  }

  tick(now: number): void {
    if (this.#kept.size === 0) return;
    const patience = this.#endSent || this.#blocked ? TAIL_LOSS_MS : SILENCE_MS;
    if (now - this.#movedAt >= patience) this.#sendAgain(MAX_RESENT, now);
  }

  #sendAgain(count: number, now: number): void {
    this.#movedAt = now;
    const until = Math.min(this.#next, this.#received + count);
    for (let seq = this.#received; seq < until; seq += 1) {
      const kept = this.#kept.get(seq);
      if (kept !== undefined) this.#options.send(kept.frame);
    }
  }

  #pump(now: number): void {
    while (this.#next < this.#window && this.#sendNext(now));
    const blocked = this.#next >= this.#window && !this.#endSent;
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.#options.onBlocked(blocked);
  }

  #sendNext(now: number): boolean {
    const events: InferenceEvent[] = [];
    const delta = this.#waiting.shift();
    if (delta !== undefined) events.push(delta);
    const end = this.#waiting.length === 0 && !this.#endSent ? this.#end : undefined;
    if (end !== undefined) {
      events.push(end.event);
      this.#endSent = true;
    }
    if (events.length === 0) return false;
    const seq = this.#next;
    const frame: SealedFrame = {
      seq,
      sealed: this.#options.seal(seq, FrameContent.encode({ events })),
      ...(this.#options.outlined && { outline: outlineOf(events) }),
      ...(end !== undefined && { receipt: end.receipt }),
    };
    this.#next += 1;
    this.#sentAt = now;
    if (this.#kept.size === 0) this.#movedAt = now;
    this.#kept.set(seq, { frame, sentAt: now });
    this.#options.send(frame);
    return true;
  }
}

function outlineOf(events: readonly InferenceEvent[]): Outline {
  const outline: Outline = { tokens: 0 };
  for (const event of events) {
    if (event.k === 'end')
      outline.end = {
        finish: event.finish,
        usage: event.usage,
        ...(event.about && { about: event.about }),
      };
    else outline.tokens += event.tokens;
  }
  return outline;
}

/**
 * True if two pieces can be joined into one. Pieces with log probabilities stay separate, because
 * these belong to single tokens.
 */
function isContinued(last: Delta, next: Delta): boolean {
  if (last.k === 'text')
    return next.k === 'text' && last.logprobs === undefined && next.logprobs === undefined;
  if (last.k === 'tool')
    return next.k === 'tool' && next.index === last.index && next.id === undefined;
  return next.k === 'reasoning';
}
