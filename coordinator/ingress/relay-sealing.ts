import { setImmediate } from 'node:timers/promises';
import {
  type Continuation,
  type Delta,
  FINISH_FAILURES,
  FrameContent,
  type InferenceEnd,
  InferenceRequest,
  type JobName,
  type JobSeals,
  RefusalDetail,
  ResultReader,
  SUITE_ID,
  type WantedResults,
} from '#bus-schemas';
import type { AnswerSoFar } from './answer-so-far.ts';
import {
  type AttemptSealing,
  type Frame,
  ProtocolViolation,
  type Reading,
  type SealAttempt,
} from './attempt-sealing.ts';
import { type AnswerBounds, boundsFor } from './core/answer-bounds.ts';
import type { ToolCallOrder } from './core/tool-call-order.ts';

export type SealFor = (
  target: JobName & { recipient: Uint8Array },
) => Promise<Pick<JobSeals, 'enc' | 'sealRequestParts' | 'openResponse' | 'receiptSalt'>>;

export interface RelayRequest {
  readonly encoded: Uint8Array;
  /**
   * Number of alternatives that the caller asked for with each token; undefined without log
   * probabilities.
   */
  readonly topLogprobs: number | undefined;
  /** The results that are asked for; absent if an answer is. */
  readonly results?: WantedResults;
}

/** Relay mode: the ingress reads the request, and seals it for each provider that is tried. */
export function relaySealing(sealFor: SealFor, job: string, request: RelayRequest): SealAttempt {
  return async ({ candidate, number }, soFar) =>
    candidate.suite === SUITE_ID
      ? await sealedRelay(
          await sealFor({ recipient: candidate.sealingKey, job, attempt: number }),
          request,
          soFar,
        )
      : undefined;
}

/** Seals the parts of a large request in several turns of the event loop. */
async function sealedRelay(
  seals: Awaited<ReturnType<SealFor>>,
  request: RelayRequest,
  soFar: AnswerSoFar,
): Promise<RelaySealing> {
  const parts: Uint8Array[] = [];
  const { toolCalls, continuation } = soFar;
  for (const part of seals.sealRequestParts(continuing(request.encoded, continuation))) {
    if (parts.length > 0) await setImmediate();
    parts.push(part);
  }
  return new RelaySealing({ seals, parts }, request, { toolCalls, continuation });
}

/**
 * Bytes of a tool call's name and the markup around it, which the model writes and the client does
 * not see.
 */
const TOOL_CALL_BYTES = 128;

/**
 * Characters that are removed from a provider's reason. A hostile provider could otherwise write
 * terminal escapes or line breaks into the errors that clients print.
 */
const CONTROL_CHARACTERS = /\p{C}/gu;

const continuing = (encoded: Uint8Array, continues: Continuation | undefined): Uint8Array =>
  continues === undefined ? encoded : InferenceRequest.extended(encoded, { continues });

class RelaySealing implements AttemptSealing {
  readonly outlined = false;
  readonly bounds: AnswerBounds;
  readonly enc: Uint8Array;
  readonly parts: readonly Uint8Array[];
  readonly receiptSalt: Uint8Array;
  readonly #seals: Awaited<ReturnType<SealFor>>;
  readonly #toolCalls: ToolCallOrder;
  /** Tokens that the answer must state to continue in its first delta; undefined after it. */
  #continued: number | undefined;
  readonly #topLogprobs: number | undefined;
  readonly #results: ResultReader | undefined;

  constructor(
    { seals, parts }: { seals: Awaited<ReturnType<SealFor>>; parts: readonly Uint8Array[] },
    { topLogprobs, results }: RelayRequest,
    { toolCalls, continuation }: Pick<AnswerSoFar, 'toolCalls' | 'continuation'>,
  ) {
    this.#results = results && new ResultReader(results);
    this.#toolCalls = toolCalls;
    this.#continued = continuation?.tokens.length;
    this.#seals = seals;
    this.#topLogprobs = topLogprobs;
    this.bounds = boundsFor(topLogprobs);
    this.enc = seals.enc;
    this.receiptSalt = seals.receiptSalt();
    this.parts = parts;
  }

  /**
   * Opens a reason. It is sealed as frame 0, which is unused because a provider that refuses sends
   * no frames.
   */
  readDetail(sealed: Uint8Array): string {
    return RefusalDetail.decode(this.#seals.openResponse(0, sealed)).message.replace(
      CONTROL_CHARACTERS,
      ' ',
    );
  }

  read({ seq, sealed }: Frame): Reading {
    const opened = this.#seals.openResponse(seq, sealed);
    const { events } = FrameContent.decode(opened);
    const pieces: Delta[] = [];
    let end: InferenceEnd | undefined;
    let tokens = 0;
    let bytes = 0;
    for (const event of events) {
      if (event.k === 'end') {
        end = event;
        continue;
      }
      this.#checkResults(event);
      if (this.#continued !== undefined && event.continued !== this.#continued)
        throw new ProtocolViolation('the answer begins again instead of continuing');
      this.#continued = undefined;
      if (end !== undefined || !this.#toolCalls.admits(event))
        throw new ProtocolViolation('an event follows the end, or a tool call is out of order');
      pieces.push(this.#asked(event));
      tokens += event.tokens;
      bytes +=
        Buffer.byteLength(event.text) +
        (event.k === 'tool' && event.name !== undefined ? TOOL_CALL_BYTES : 0);
    }
    if (
      end !== undefined &&
      FINISH_FAILURES[end.finish] === undefined &&
      this.#results?.isWhole === false
    )
      throw new ProtocolViolation('the answer ends before the last result');
    return { pieces, size: opened.length, tokens, bytes, end };
  }

  #checkResults(delta: Delta): void {
    if (this.#results === undefined) return;
    if (delta.k !== 'text' || !this.#results.add(delta))
      throw new ProtocolViolation('a frame does not have the results that were asked for');
  }

  /**
   * Removes log probabilities that the caller did not ask for: a hostile provider could fill the
   * memory of the ingress with them.
   */
  #asked(delta: Delta): Delta {
    if (delta.k !== 'text' || delta.logprobs === undefined) return delta;
    const { logprobs, ...text } = delta;
    const most = this.#topLogprobs;
    if (most === undefined) return text;
    if (logprobs.length > delta.tokens)
      throw new ProtocolViolation('there are more log probabilities than tokens');
    return {
      ...text,
      logprobs: logprobs.map(({ top, ...one }) => ({ ...one, top: top.slice(0, most) })),
    };
  }
}
