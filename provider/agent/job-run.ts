import { createHash, type Hash } from 'node:crypto';
import type { Finish, InferenceRequest, JobOrder, JobSeals, Receipt, Usage } from '#bus-schemas';
import type { EndFacts, Engine, RequestRefused, Sequence } from '../engine/engine.ts';
import { FrameSender, type SealedFrame } from './frame-sender.ts';

export interface JobRunOptions {
  readonly order: JobOrder;
  readonly request: InferenceRequest;
  readonly requestHash: Uint8Array;
  readonly seals: JobSeals;
  readonly engine: Engine;
  readonly sendFrame: (frame: SealedFrame) => void;
  readonly onEnd: (receipt: Receipt) => void;
  /** Instead of an answer. */
  readonly onRefused: (refusal: RequestRefused) => void;
}

/** An ingress says something about every running job every two seconds: one that is silent for this long is gone. */
const LEASE_MS = 15_000;

/** One job that this machine works on: from the engine's first token to the acknowledgement of the last frame. */
export class JobRun implements Disposable {
  readonly order: JobOrder;
  readonly #options: JobRunOptions;
  readonly #frames: FrameSender;
  readonly #responseHash: Hash = createHash('sha256');
  readonly #sequence: Sequence;
  #heardAt: number;
  #ended = false;
  #hasSpoken = false;

  constructor(options: JobRunOptions, now: () => number) {
    const { order, request, seals, engine, sendFrame } = options;
    this.order = order;
    this.#options = options;
    this.#heardAt = now();
    this.#frames = new FrameSender(
      {
        window: order.window,
        seal: (seq, plain) => seals.sealResponse(seq, plain),
        outlined: order.outlined === true,
        send: (frame) => {
          this.#hasSpoken = true;
          sendFrame(frame);
        },
        later: (delayMs, run) => setTimeout(() => run(now()), delayMs),
        onBlocked: (blocked) => (blocked ? this.#sequence.pause() : this.#sequence.resume()),
      },
      now(),
    );
    const maxTokens = Math.min(request.chat.max_tokens, order.maxOutputTokens);
    this.#sequence = engine.generate(
      { build: order.build, chat: request.chat, maxTokens, ...(request.cacheScope !== undefined && { cacheScope: request.cacheScope }) },
      {
        delta: (delta) => {
          this.#responseHash.update(delta.text);
          this.#frames.delta(delta, now());
        },
        end: (finish, usage, more) => this.#end({ finish, usage, ...more }, now()),
        refuse: (refusal) => {
          this.#ended = true;
          options.onRefused(refusal);
        },
      },
    );
  }

  /** The engine works on it. */
  get isGenerating(): boolean {
    return !this.#ended;
  }

  /** Somebody has heard that it was taken: a first frame says so as well as an answer does. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  spoken(): void {
    this.#hasSpoken = true;
  }

  /** Nothing is left to do or to send. */
  get isDone(): boolean {
    return this.#frames.isDone;
  }

  flow(flow: { received: number; window: number; resend: boolean }, now: number): void {
    this.#heardAt = now;
    this.#frames.flow(flow, now);
  }

  cancel(): void {
    if (!this.#ended) this.#sequence.cancel();
  }

  /** False when nobody waits for this job any more. */
  tick(now: number): boolean {
    this.#frames.tick(now);
    return now - this.#heardAt < LEASE_MS;
  }

  /** Everything was sent and has arrived: its keys are of no more use. */
  [Symbol.dispose](): void {
    this.#options.seals[Symbol.dispose]();
  }

  #end({ finish, usage, stopSequence, about }: { finish: Finish; usage: Usage } & EndFacts, now: number): void {
    this.#ended = true;
    const { order, requestHash, onEnd } = this.#options;
    const responseHash = this.#responseHash.digest();
    const facts = { ...(stopSequence !== undefined && { stopSequence }), ...(about !== undefined && { about }) };
    this.#frames.end({ k: 'end', finish, usage, ...facts, requestHash, responseHash }, now);
    onEnd({ job: order.job, attempt: order.attempt, build: order.build, usage, finish, requestHash, responseHash });
  }
}
