import {
  type ContentDigest,
  ContentHash,
  type Delivered,
  type Finish,
  type Flow,
  type JobOrder,
  type JobSeals,
  type Receipt,
  type Usage,
} from '#bus-schemas';
import type { EndFacts, Engine, RequestRefused, Sequence } from '../engine/engine.ts';
import { withPromptUsage } from '../engine/prompt-usage.ts';
import { continuedSink } from './continued-sink.ts';
import { FrameSender, type SealedFrame } from './frame-sender.ts';
import type { SigningRequest } from './receipt-signer.ts';
import { continuationIn, type OrderedWork, startWork } from './start-work.ts';

export interface ProviderJobOptions {
  readonly order: JobOrder;
  readonly request: OrderedWork;
  /** Key of the hashes in the receipt. */
  readonly receiptSalt: Uint8Array;
  readonly requestHash: ContentDigest;
  readonly seals: JobSeals;
  readonly engine: Engine;
  readonly sendFrame: (frame: SealedFrame) => void;
  readonly sign: (request: SigningRequest) => void;
  readonly onEnd: (receipt: Receipt) => void;
  /** Called instead of `onEnd` if the engine refuses the request after it was started. */
  readonly onRefused: (refusal: RequestRefused) => void;
}

/**
 * Silence of the ingress after which the engine pauses, in milliseconds. An ingress reports on
 * every running job once a second; one that is silent may be dead, and further work would be
 * unpaid.
 */
const PAUSE_MS = 2_500;
/**
 * Silence of the ingress after which the job ends, in milliseconds. It is longer than the restart
 * of a hub, during which no report can arrive.
 */
const INGRESS_SILENCE_MS = 15_000;

/**
 * One attempt that this machine works on, from the start of the engine to the acknowledgement of
 * the last frame.
 *
 *   running ⇄ paused (window full, or the ingress is silent for PAUSE_MS) → ended (answer complete,
 *   cancelled, or silent for INGRESS_SILENCE_MS)
 *
 * A pause costs nothing: the next report of the ingress resumes the engine where it stopped.
 */
export class ProviderJob implements Disposable {
  readonly order: JobOrder;
  readonly #options: ProviderJobOptions;
  readonly #frames: FrameSender;
  readonly #responseHash: ContentHash;
  readonly #sequence: Sequence;
  #lastReportAt: number;
  #blocked = false;
  #silent = false;
  #ended = false;
  #delivered: Delivered | undefined;
  #receipt: Receipt | undefined;
  #hasAnswered = false;

  constructor(options: ProviderJobOptions, now: () => number) {
    const { order, request, seals, sendFrame } = options;
    this.order = order;
    this.#options = options;
    this.#lastReportAt = now();
    this.#responseHash = new ContentHash(options.receiptSalt);
    this.#frames = new FrameSender(
      {
        window: order.window,
        seal: (seq, plain) => seals.sealResponse(seq, plain),
        outlined: order.outlined === true,
        whole: order.whole === true,
        send: (frame) => {
          this.#hasAnswered = true;
          sendFrame(frame);
        },
        later: (delayMs, run) => setTimeout(() => run(now()), delayMs),
        onBlocked: (blocked) => this.#holdEngine({ blocked }),
      },
      now(),
    );
    const frames = withPromptUsage({
      delta: (delta) => this.#frames.delta(delta, now()),
      end: (finish, usage, more) => this.#end({ finish, usage, ...more }, now),
      refuse: (refusal) => {
        this.#ended = true;
        options.onRefused(refusal);
      },
    });
    const client = continuedSink(frames, continuationIn(request), () => this.#sequence.cancel());
    this.#sequence = startWork(request, options, {
      ...client,
      delta: (delta) => {
        this.#responseHash.update(delta.text);
        client.delta(delta);
      },
    });
  }

  /** True until the engine has ended or refused the request. */
  get isGenerating(): boolean {
    return !this.#ended;
  }

  /** True if the ingress was told that the job was accepted, by an answer or by a frame. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  markAnswered(): void {
    this.#hasAnswered = true;
  }

  /** True if every frame was sent and acknowledged. */
  get isDone(): boolean {
    return this.#frames.isDone;
  }

  flow(flow: Flow['jobs'][number], now: number): void {
    this.#lastReportAt = now;
    const { tokens, proof } = flow.delivered ?? { tokens: 0, proof: undefined };
    // Copy the proof, because the decoded one is a view that keeps the whole message in memory.
    if (proof !== undefined && tokens > (this.#delivered?.tokens ?? 0))
      this.#delivered = { tokens, proof: Uint8Array.from(proof) };
    this.#holdEngine({ silent: false });
    this.#frames.flow(flow, now);
  }

  cancel(): void {
    if (!this.#ended) this.#sequence.cancel();
  }

  /** Returns false if the ingress has been silent for so long that the job must end. */
  tick(now: number): boolean {
    this.#frames.tick(now);
    const silentMs = now - this.#lastReportAt;
    this.#holdEngine({ silent: silentMs >= PAUSE_MS });
    return silentMs < INGRESS_SILENCE_MS;
  }

  /**
   * Ends the job because the ingress counts as dead. If a newer proof of delivery arrived after the
   * receipt was sent, the receipt is sent again with that proof, which decides what is paid.
   */
  abandon(): void {
    if (!this.#ended) this.#sequence.cancel();
    else if (this.#receipt !== undefined && this.#receipt.delivered !== this.#delivered)
      this.#sendReceipt(this.#receipt);
  }

  #holdEngine({
    blocked = this.#blocked,
    silent = this.#silent,
  }: {
    blocked?: boolean;
    silent?: boolean;
  }): void {
    const wasHeld = this.#blocked || this.#silent;
    this.#blocked = blocked;
    this.#silent = silent;
    const isHeld = blocked || silent;
    if (isHeld === wasHeld || this.#ended) return;
    if (isHeld) this.#sequence.pause();
    else this.#sequence.resume();
  }

  /** Erases the keys of the stream. Call it when every frame has arrived. */
  [Symbol.dispose](): void {
    this.#options.seals[Symbol.dispose]();
  }

  #end(
    { finish, usage, stopSequence, about }: { finish: Finish; usage: Usage } & EndFacts,
    now: () => number,
  ): void {
    this.#ended = true;
    const { order, request, requestHash, sign } = this.#options;
    const continued = continuationIn(request);
    const responseHash = this.#responseHash.digest();
    const facts = {
      ...(stopSequence !== undefined && { stopSequence }),
      ...(about !== undefined && { about }),
    };
    const keyed = { requestHash: requestHash.keyed, responseHash: responseHash.keyed };
    const plain = { requestHash: requestHash.plain, responseHash: responseHash.plain };
    sign({
      receipt: {
        version: 2,
        job: order.job,
        attempt: order.attempt,
        build: order.build,
        usage,
        ...(continued && { continuedTokens: continued.tokens.length }),
        finish,
        ...keyed,
      },
      grouped: order.groups === true,
      onSigned: (receipt) => {
        this.#frames.end({ k: 'end', finish, usage, ...facts, ...plain }, receipt, now());
        this.#sendReceipt(receipt);
      },
    });
  }

  #sendReceipt(receipt: Receipt): void {
    this.#receipt = { ...receipt, ...(this.#delivered && { delivered: this.#delivered }) };
    this.#options.onEnd(this.#receipt);
  }
}
