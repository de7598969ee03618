import { type Delta, FrameContent, type InferenceEnd, type JobName, type JobSeals, RefusalDetail, SUITE_ID } from '#bus-schemas';
import { type AttemptSealing, type Frame, ProtocolViolation, type Reading, type SealAttempt } from './attempt-sealing.ts';
import { ToolCallOrder } from './core/tool-call-order.ts';

export type SealFor = (target: JobName & { recipient: Uint8Array }) => Promise<Pick<JobSeals, 'enc' | 'sealRequestParts' | 'openResponse'>>;

/** Relay mode: the request was read here, so it is sealed here, for whoever is tried. */
export function relaySealing(sealFor: SealFor, job: string, request: Uint8Array): SealAttempt {
  return async ({ candidate, number }) =>
    candidate.suite === SUITE_ID ? new RelaySealing(await sealFor({ recipient: candidate.sealingKey, job, attempt: number }), request) : undefined;
}

/** A provider must not write terminal escapes or line breaks into the errors that clients print. */
const CONTROL_CHARACTERS = /\p{C}/gu;

class RelaySealing implements AttemptSealing {
  readonly outlined = false;
  readonly enc: Uint8Array;
  readonly parts: readonly Uint8Array[];
  readonly #seals: Awaited<ReturnType<SealFor>>;
  readonly #toolCalls = new ToolCallOrder();

  constructor(seals: Awaited<ReturnType<SealFor>>, request: Uint8Array) {
    this.#seals = seals;
    this.enc = seals.enc;
    this.parts = seals.sealRequestParts(request);
  }

  /** Sealed as frame 0: a provider that refuses sends no frames. */
  readDetail(sealed: Uint8Array): string {
    return RefusalDetail.decode(this.#seals.openResponse(0, sealed)).message.replace(CONTROL_CHARACTERS, ' ');
  }

  read({ seq, sealed }: Frame): Reading {
    const { events } = FrameContent.decode(this.#seals.openResponse(seq, sealed));
    const pieces: Delta[] = [];
    let end: InferenceEnd | undefined;
    let size = 0;
    let tokens = 0;
    for (const event of events) {
      if (event.k === 'end') {
        end = event;
        continue;
      }
      if (end !== undefined || !this.#toolCalls.admits(event)) throw new ProtocolViolation('something follows the end, or a call comes out of order');
      pieces.push(event);
      size += event.text.length;
      tokens += event.tokens;
    }
    return { pieces, size, tokens, end };
  }
}
