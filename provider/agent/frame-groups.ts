import {
  FrameGroup,
  type GroupedFrame,
  type JobOrder,
  MAX_GROUPED_FRAMES,
  Out,
  providerSubjects,
} from '#bus-schemas';
import type { SealedFrame } from './frame-sender.ts';

/** Most bytes of sealed content in a group. With 256 receipts of 1.4 kB, it fits into a message of 1 MiB. */
const MAX_BYTES_TOGETHER = 256 * 1024;

interface Waiting {
  readonly frames: GroupedFrame[];
  sealedBytes: number;
}

/**
 * Sends frames. Those for one ingress that are ready in the same turn of the event loop share a
 * message, which costs leaf, hub and ingress about as much as one frame does. No frame waits longer
 * than this turn, at whose end the connection writes to its socket.
 */
export class FrameGroups implements Disposable {
  readonly #publish: (subject: string, payload: Uint8Array) => void;
  readonly #waiting = new Map<string, Waiting>();
  #turnEnd: NodeJS.Immediate | undefined;

  constructor(publish: (subject: string, payload: Uint8Array) => void) {
    this.#publish = publish;
  }

  send({ ingress, job, attempt, jointFrames }: JobOrder, sealedFrame: SealedFrame): void {
    const frame: GroupedFrame = { job, t: 'frame', attempt, ...sealedFrame };
    if (jointFrames !== true) return this.#sendAlone(ingress, frame);
    const group = this.#groupFor(ingress, frame.sealed.length);
    group.frames.push(frame);
    group.sealedBytes += frame.sealed.length;
    this.#turnEnd ??= setImmediate(() => this.#sendAll());
  }

  /** The group that a frame of this size joins. A group that is too full for it is sent. */
  #groupFor(ingress: string, bytes: number): Waiting {
    const waiting = this.#waiting.get(ingress);
    if (waiting !== undefined) {
      const hasRoom =
        waiting.frames.length < MAX_GROUPED_FRAMES &&
        waiting.sealedBytes + bytes <= MAX_BYTES_TOGETHER;
      if (hasRoom) return waiting;
      this.#sendGroup(ingress, waiting.frames);
    }
    const group = { frames: [], sealedBytes: 0 };
    this.#waiting.set(ingress, group);
    return group;
  }

  #sendAll(): void {
    clearImmediate(this.#turnEnd);
    this.#turnEnd = undefined;
    for (const [ingress, { frames }] of this.#waiting) this.#sendGroup(ingress, frames);
    this.#waiting.clear();
  }

  #sendGroup(ingress: string, frames: GroupedFrame[]): void {
    const [first] = frames;
    if (first !== undefined && frames.length === 1) this.#sendAlone(ingress, first);
    else this.#publish(providerSubjects.frameGroup(ingress), FrameGroup.encode({ frames }));
  }

  #sendAlone(ingress: string, { job, ...out }: GroupedFrame): void {
    this.#publish(providerSubjects.frames(ingress, job), Out.encode(out));
  }

  /** Sends what waits. */
  [Symbol.dispose](): void {
    this.#sendAll();
  }
}
