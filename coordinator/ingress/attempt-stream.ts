import {
  type AttemptFailure,
  CodecError,
  core,
  type Encoding,
  type Out,
  SealError,
  SUITE_ID,
} from '#bus-schemas';
import type { Piece } from '#http-api/core/piece.ts';
import { RETRY_AFTER_MS } from '#http-api/retry-after.ts';
import type { AnswerSoFar } from './answer-so-far.ts';
import {
  type AttemptSealing,
  type Frame,
  ProtocolViolation,
  type Reading,
} from './attempt-sealing.ts';
import { AnswerSize, RESULT_BOUNDS } from './core/answer-bounds.ts';
import { FrameReceiver } from './core/frame-receiver.ts';
import type { Attempt, JobEvent } from './core/job-state.ts';
import type { FlowSender } from './flow-sender.ts';
import { OrderSender } from './order-sender.ts';
import type { Transcript } from './transcript.ts';

/**
 * Time after which an order without an answer is sent again, in milliseconds: core NATS may have
 * lost it.
 */
const RESEND_ORDER_MS = 300;
/**
 * Time that is added to it for each further part of a large order, in milliseconds. An order of
 * 16 MiB has 35 parts, and its provider needs some hundred milliseconds to read it.
 */
const RESEND_PART_MS = 100;
/**
 * Longest silence of the ingress, in milliseconds. A provider pauses its engine after twice that
 * time (provider/agent/provider-job.ts).
 */
const KEEP_ALIVE_MS = 1_000;
/**
 * Silence after which another machine is looked for that continues the answer, in milliseconds. A
 * provider that is asked once a second answers sooner, also if its engine needs a long time.
 */
const SILENT_MS = 3_000;
/** A tick that comes later counts as this long, in milliseconds. */
const MOST_TICK_MS = 100;
/**
 * Time that a lost provider has to return and continue after it has delivered content, in
 * milliseconds.
 */
const RETURN_GRACE_MS = 5_000;

/**
 * Tokens without text that an answer may have beyond one for each of its bytes, such as end marks
 * and the tags around reasoning.
 */
const TOKENS_WITHOUT_TEXT = 16;

const NOTHING_WRITTEN = { claimedTokens: 0, bytes: 0, tokens: 0 };

interface AttemptJob {
  readonly id: string;
  readonly ingress: string;
  /** If false, the client receives nothing before the whole answer is complete. */
  readonly streamed: boolean;
  readonly promptTokens: number;
  readonly maxOutputTokens: number;
  /** The kind of results that the job asks for; undefined if it asks for an answer. */
  readonly encoding: Encoding | undefined;
  /** Whether the receipt may share its signature with others. */
  readonly groups: boolean;
}

export interface AttemptStreamOptions {
  readonly job: AttemptJob;
  readonly attempt: Attempt;
  readonly sealing: AttemptSealing;
  readonly flow: FlowSender;
  readonly publish: (subject: string, payload: Uint8Array) => void;
  /** Undefined if the answer is not recounted. */
  readonly transcript: Transcript | undefined;
  readonly soFar: AnswerSoFar;
  /** What earlier machines have written of the answer; undefined if this attempt begins it. */
  readonly before: AnswerCounts | undefined;
  readonly on: (event: JobEvent) => void;
}

/** What the machines of one answer have written, added up. */
export interface AnswerCounts {
  /** Tokens that the machines have reported. */
  readonly claimedTokens: number;
  /** Size of the text, in bytes. */
  readonly bytes: number;
  /** The part of the reported tokens that the answer can contain; at most this many are billed. */
  readonly tokens: number;
}

/**
 * One attempt on the bus: sends the order until the provider answers, then receives its frames in
 * order and once.
 */
export class AttemptStream {
  readonly attempt: Attempt;
  readonly #options: AttemptStreamOptions;
  readonly #receiver = new FrameReceiver();
  readonly #order: OrderSender;
  #answered = false;
  #ended = false;
  #sentAt = 0;
  #reportedAt: number;
  #gapAskedFor = -1;
  #lostAt: number | undefined;
  /** When the last tick was, and for how long nothing has been heard in the ticks before it. */
  #tickedAt: number;
  #silentMs = 0;
  #isSilent = false;
  #claimedTokens: number;
  #bytes: number;
  #tokens: number;
  #hasContent = false;
  #deliveredTokens = 0;
  readonly #size: AnswerSize;

  constructor(options: AttemptStreamOptions, now: number) {
    this.#options = options;
    const { job, sealing } = options;
    this.#size = new AnswerSize(job.encoding === undefined ? sealing.bounds : RESULT_BOUNDS);
    const { claimedTokens, bytes, tokens } = options.before ?? NOTHING_WRITTEN;
    // Tokens that an earlier machine made up must not count against this one.
    this.#claimedTokens = Math.min(claimedTokens, options.soFar.tokens);
    this.#bytes = bytes;
    this.#tokens = Math.min(tokens, this.#claimedTokens);
    this.attempt = options.attempt;
    this.#reportedAt = now;
    this.#tickedAt = now;
    this.#order = this.#orderAt(now);
    this.#sendOrder(now);
  }

  get counts(): AnswerCounts {
    return { claimedTokens: this.#claimedTokens, bytes: this.#bytes, tokens: this.#tokens };
  }

  get receiptSalt(): Uint8Array | undefined {
    return this.#options.sealing.receiptSalt;
  }

  #orderAt(now: number): OrderSender {
    const { job, attempt, sealing, publish } = this.#options;
    const subject = core.down(attempt.candidate.provider, 'job');
    return new OrderSender({
      order: {
        job: job.id,
        attempt: attempt.number,
        ingress: job.ingress,
        build: attempt.candidate.build,
        suite: SUITE_ID,
        enc: sealing.enc,
        firstContentMs: Math.max(0, Math.round(attempt.startBy - now)),
        promptTokens: job.promptTokens,
        maxOutputTokens: job.maxOutputTokens,
        window: this.#receiver.window,
        ...(sealing.outlined && { outlined: true }),
        ...(!job.streamed && { whole: true }),
        ...(job.groups && { groups: true }),
        jointFrames: true,
        ...(job.encoding !== undefined && { encoding: job.encoding }),
      },
      parts: sealing.parts,
      publish: (order) => publish(subject, order),
    });
  }

  #sendOrder(now: number): void {
    this.#sentAt = now;
    this.#order.send();
  }

  /** Handles a message of this attempt's provider. */
  take(out: Out, now: number): void {
    if (this.#ended) return this.#report(false);
    this.#heard();
    switch (out.t) {
      case 'accept':
        return this.#setAnswered();
      case 'refuse':
        // The provider does not have a job that it accepted earlier: it was restarted, and the
        // job's state is lost.
        if (out.reason === 'unknown_job') return this.#fail('disconnected');
        this.#setAnswered();
        return this.#options.on({
          type: 'refused',
          attempt: this.attempt.number,
          reason: out.reason,
          about: out.about,
          retryAfterMs: out.retryAfterMs ?? RETRY_AFTER_MS.provider_refused,
          detail: this.#detailIn(out),
        });
      case 'frame':
        this.#setAnswered();
        return this.#takeFrame(out, now);
    }
  }

  /**
   * The provider's reason. One that cannot be opened or decoded is left out; the refusal itself
   * still counts.
   */
  #detailIn({ detail }: Extract<Out, { t: 'refuse' }>): string | undefined {
    if (detail === undefined) return undefined;
    try {
      return this.#options.sealing.readDetail(detail);
    } catch (error) {
      if (!(error instanceof SealError) && !(error instanceof CodecError)) throw error;
      return undefined;
    }
  }

  #setAnswered(): void {
    this.#answered = true;
    this.#order.stop();
  }

  #takeFrame(frame: Frame, now: number): void {
    this.#lostAt = undefined;
    switch (this.#receiver.receive(frame.seq)) {
      case 'accept':
        return this.#read(frame);
      case 'duplicate':
        return this.#report(false);
      case 'gap':
        if (this.#gapAskedFor === this.#receiver.received) return;
        this.#gapAskedFor = this.#receiver.received;
        this.#reportedAt = now;
        return this.#report(true);
      case 'out_of_window':
        return this.#fail('protocol_violation');
    }
  }

  #read(frame: Frame): void {
    let reading: Reading;
    try {
      reading = this.#options.sealing.read(frame);
    } catch (error) {
      if (
        !(error instanceof SealError) &&
        !(error instanceof CodecError) &&
        !(error instanceof ProtocolViolation)
      )
        throw error;
      return this.#fail(error instanceof SealError ? 'unopenable_frame' : 'protocol_violation');
    }
    const { pieces, tokens: claimed, bytes, size, end } = reading;
    this.#claimedTokens += claimed;
    this.#bytes += bytes;
    const isHonest =
      this.#size.admits({ bytes: size, tokens: claimed }) &&
      this.#claimedTokens <= this.#options.job.maxOutputTokens;
    if (!isHonest) return this.#fail('protocol_violation');
    // A token has at least one byte of text. This bound stops a provider from billing `Yes.` as
    // 4,000 tokens.
    const tokens = Math.min(this.#claimedTokens, this.#bytes + TOKENS_WITHOUT_TEXT) - this.#tokens;
    this.#tokens += tokens;
    this.#options.transcript?.add(pieces, tokens);
    if (pieces.length > 0) this.#passOn(pieces, tokens);
    if (end === undefined) return;
    this.#ended = true;
    this.#report(false, { isComplete: true });
    this.#options.on({ type: 'end', attempt: this.attempt.number, ...end, receipt: frame.receipt });
  }

  #passOn(pieces: readonly Piece[], tokens: number): void {
    const { soFar, on } = this.#options;
    this.#hasContent = true;
    soFar.add(pieces);
    const { isContinuable: movable } = soFar;
    on({ type: 'content', attempt: this.attempt.number, pieces, tokens, movable });
  }

  /** Records that the client has consumed everything that has arrived. */
  consumed(): void {
    if (this.#options.job.streamed) this.#deliveredTokens = this.#tokens;
    this.#receiver.consume(this.#receiver.waiting);
    if (this.#receiver.reportDue) this.#report(false);
  }

  tick(now: number): void {
    if (this.#ended) return;
    if (this.#order.isSending) this.#sentAt = now;
    const resendMs = RESEND_ORDER_MS + RESEND_PART_MS * (this.#order.parts - 1);
    if (!this.#answered && now - this.#sentAt >= resendMs) this.#sendOrder(now);
    this.#listen(now);
    if (this.#answered && now - this.#reportedAt >= KEEP_ALIVE_MS) {
      this.#reportedAt = now;
      this.#report(this.#silentMs >= KEEP_ALIVE_MS);
    }
    if (this.#lostAt !== undefined && now - this.#lostAt >= RETURN_GRACE_MS)
      this.#fail('disconnected');
  }

  /**
   * Measures the silence of the provider. A late tick counts as one of the usual length: while this
   * process does not run, it hears nobody.
   */
  #listen(now: number): void {
    this.#silentMs += Math.min(now - this.#tickedAt, MOST_TICK_MS);
    this.#tickedAt = now;
    if (this.#silentMs < SILENT_MS) return;
    this.#isSilent = true;
    this.#options.on({ type: 'silent', attempt: this.attempt.number });
  }

  #heard(): void {
    this.#silentMs = 0;
    if (!this.#isSilent) return;
    this.#isSilent = false;
    this.#options.on({ type: 'heard', attempt: this.attempt.number });
  }

  /** Called after the bus has reconnected: messages of the time in between are lost. */
  reconnected(now: number): void {
    if (this.#ended) return;
    if (this.#answered) this.#report(true);
    else this.#sendOrder(now);
  }

  /**
   * Called when the provider is lost. Before any content, another provider is tried at once,
   * because that is quicker than waiting.
   */
  providerLost(now: number): void {
    if (!this.#hasContent) this.#fail('disconnected');
    else this.#lostAt ??= now;
  }

  #report(resend: boolean, { isComplete = false } = {}): void {
    this.#receiver.reported();
    const { job, flow } = this.#options;
    const report = {
      job: job.id,
      attempt: this.attempt.number,
      received: this.#receiver.received,
      window: this.#receiver.window,
      resend,
      deliveredTokens: this.#deliveredTokens,
    };
    flow.report(this.attempt.candidate.provider, report, { isComplete });
  }

  /** Sends no further part of the order: the provider shall not begin. */
  stopOrdering(): void {
    this.#order.stop();
  }

  /** Reads nothing more: the attempt is over, and another machine may have the answer. */
  close(): void {
    this.#ended = true;
    this.stopOrdering();
  }

  #fail(failure: AttemptFailure): void {
    if (this.#ended) return;
    this.close();
    this.#options.on({ type: 'attempt_failed', attempt: this.attempt.number, failure });
  }
}
