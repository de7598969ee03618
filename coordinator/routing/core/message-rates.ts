/**
 * Limits the messages that a machine sends about itself, with one token bucket for each kind of
 * message. Without a limit, a machine that floods the router would cost memory and processor time
 * in proportion to its messages, and would delay the decisions for all other machines.
 *
 * An honest machine sends a beat every 5 s (about nine in its first 10 s), and at most ten capacity
 * reports per second.
 */
const LIMITS = {
  announcement: { perSecond: 2, burst: 40 },
  capacity: { perSecond: 12, burst: 60 },
} as const;
export type LimitedMessage = keyof typeof LIMITS;

/** Size limit of one message. A message with 64 slots and more than a thousand job ids fits. */
export const MAX_OWN_MESSAGE_BYTES = 64 * 1_024;

/**
 * A machine floods if this many of its messages are rejected within `FLOOD_WINDOW_MS`; fewer may be
 * an accident.
 */
const FLOOD_REJECTED = 200;
const FLOOD_WINDOW_MS = 10_000;
/** A machine gets no jobs for this long after it last exceeded that number, in milliseconds. */
const FLOOD_PAUSE_MS = 60_000;

interface Bucket {
  tokens: number;
  at: number;
}

interface Sender {
  readonly buckets: Record<LimitedMessage, Bucket>;
  rejected: number;
  windowEnds: number;
  floodsUntil: number;
}

/** Result for one message. `flood` is returned once, when a machine begins to flood. */
export type MessageAdmission = 'taken' | 'rejected' | 'flood';

export class MessageRates {
  readonly #senders = new Map<string, Sender>();

  get size(): number {
    return this.#senders.size;
  }

  admit(
    provider: string,
    { kind, bytes }: { kind: LimitedMessage; bytes: number },
    now: number,
  ): MessageAdmission {
    const sender = this.#sender(provider, now);
    if (bytes <= MAX_OWN_MESSAGE_BYTES && take(sender.buckets[kind], LIMITS[kind], now))
      return 'taken';
    if (now >= sender.windowEnds)
      Object.assign(sender, { rejected: 0, windowEnds: now + FLOOD_WINDOW_MS });
    sender.rejected += 1;
    if (sender.rejected < FLOOD_REJECTED) return 'rejected';
    const isNew = now >= sender.floodsUntil;
    sender.floodsUntil = now + FLOOD_PAUSE_MS;
    return isNew ? 'flood' : 'rejected';
  }

  isFlooding(provider: string, now: number): boolean {
    const sender = this.#senders.get(provider);
    return sender !== undefined && now < sender.floodsUntil;
  }

  /** Drops machines whose buckets are full again. */
  sweep(now: number): void {
    for (const [provider, { buckets, floodsUntil, windowEnds }] of this.#senders) {
      const isFull = (Object.keys(LIMITS) as LimitedMessage[]).every(
        (kind) => filled(buckets[kind], LIMITS[kind], now) === LIMITS[kind].burst,
      );
      if (isFull && now >= floodsUntil && now >= windowEnds) this.#senders.delete(provider);
    }
  }

  #sender(provider: string, now: number): Sender {
    let sender = this.#senders.get(provider);
    if (sender === undefined) {
      const full = (kind: LimitedMessage): Bucket => ({ tokens: LIMITS[kind].burst, at: now });
      sender = {
        buckets: { announcement: full('announcement'), capacity: full('capacity') },
        rejected: 0,
        windowEnds: 0,
        floodsUntil: 0,
      };
      this.#senders.set(provider, sender);
    }
    return sender;
  }
}

interface Limit {
  readonly perSecond: number;
  readonly burst: number;
}

const filled = ({ tokens, at }: Bucket, { perSecond, burst }: Limit, now: number) =>
  Math.min(burst, tokens + ((now - at) / 1_000) * perSecond);

function take(bucket: Bucket, limit: Limit, now: number): boolean {
  bucket.tokens = filled(bucket, limit, now);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}
