import {
  CodecError,
  type Delta,
  Finish,
  FrameContent,
  type InferenceEnd,
  type InferenceEvent,
  isSame,
  type JobSeals,
  SealError,
  Usage,
} from '#bus-schemas/customer.ts';
import { checkerOf, fromBase64, newSha256, utf8 } from '#bus-schemas/platform.ts';
import { type Static, Type } from '#bus-schemas/type.ts';
import { SealedError } from './sealed-error.ts';

const Frame = Type.Object({
  seq: Type.Integer({ minimum: 0 }),
  tokens: Type.Integer({ minimum: 0 }),
  end: Type.Optional(Type.Object({ finish: Finish, usage: Usage })),
  sealed: Type.String(),
});
type Frame = Static<typeof Frame>;
const frameShape = checkerOf(Frame);
const MAX_EVENT_CHARACTERS = 1024 * 1024;
const DATA = 'data: ';
const ERROR_EVENT = 'event: error\n';

export interface SealedStreamOptions {
  readonly seals: Pick<JobSeals, 'openResponse'>;
  readonly requestHash: Uint8Array;
}

/**
 * Opens an answer while it arrives. Invariants: frames are accepted in order, each once, and none
 * may be missing; the outline of a frame, by which the coordinator bills, agrees with the content
 * of the frame; the machine confirms the hashes of the request that the client sealed and of the
 * text that it received.
 *
 * The attacks: a coordinator that drops, repeats or swaps frames, and a coordinator that bills for
 * more tokens than the machine sent.
 */
export class SealedStream {
  readonly #options: SealedStreamOptions;
  readonly #text = newSha256();
  #next = 0;

  constructor(options: SealedStreamOptions) {
    this.#options = options;
  }

  async *read(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Delta, InferenceEnd> {
    let end: InferenceEnd | undefined;
    try {
      // The answer is read to its last byte so that the connection can be reused.
      for await (const event of eventsIn(chunks)) {
        for (const content of this.#open(frameIn(event))) {
          if (end !== undefined)
            throw new SealedError('unreadable_answer', 'A frame follows the end of the answer.');
          if (content.k === 'end') {
            end = this.#ended(content);
            continue;
          }
          this.#text.update(utf8(content.text));
          yield content;
        }
      }
    } catch (error) {
      if (error instanceof SealedError) throw error;
      throw new SealedError('stream_cut', 'The connection ended in the middle of the answer.', {
        cause: error,
      });
    }
    if (end === undefined) throw new SealedError('stream_cut', 'The answer has no end.');
    return end;
  }

  #open({ seq, tokens, end, sealed }: Frame): readonly InferenceEvent[] {
    if (seq !== this.#next)
      throw new SealedError(
        'unopenable_frame',
        `Frame ${this.#next} is missing: frame ${seq} arrived instead.`,
      );
    this.#next += 1;
    let events: FrameContent['events'];
    try {
      ({ events } = FrameContent.decode(this.#options.seals.openResponse(seq, fromBase64(sealed))));
    } catch (cause) {
      if (!(cause instanceof SealError) && !(cause instanceof CodecError)) throw cause;
      throw new SealedError(
        'unopenable_frame',
        `Frame ${seq} cannot be opened: it was changed in transit, or belongs to another answer.`,
        { cause },
      );
    }
    const inside = events.reduce((sum, event) => sum + (event.k === 'end' ? 0 : event.tokens), 0);
    if (inside !== tokens)
      throw new SealedError(
        'false_outline',
        `Frame ${seq} is billed as ${tokens} tokens, but contains ${inside}.`,
      );
    const ending = events.find((event) => event.k === 'end');
    if (ending !== undefined && !isSameEnd(end, ending))
      throw new SealedError(
        'false_outline',
        'The end that is billed differs from the one that the machine sent.',
      );
    return events;
  }

  #ended(end: InferenceEnd): InferenceEnd {
    if (!isSame(end.requestHash, this.#options.requestHash))
      throw new SealedError(
        'false_hash',
        'The machine answered another request than the one that was sent.',
      );
    if (!isSame(end.responseHash, this.#text.digest()))
      throw new SealedError(
        'false_hash',
        'The machine signed another answer than the one that arrived.',
      );
    return end;
  }
}

const isSameEnd = (outline: Frame['end'], { finish, usage }: InferenceEnd): boolean =>
  outline !== undefined &&
  Object.keys(outline).length === 2 &&
  outline.finish === finish &&
  hasSameFields(outline.usage, usage);

function hasSameFields(one: Usage, other: Usage): boolean {
  const names = Object.keys(one) as (keyof Usage)[];
  return (
    names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
  );
}

function frameIn(event: string): Frame {
  const data: unknown = JSON.parse(event.slice(event.indexOf(DATA) + DATA.length));
  if (event.startsWith(ERROR_EVENT)) {
    const { code = 'stream_cut', message = 'The answer was cut.' } =
      (data as { error?: { code?: string; message?: string } }).error ?? {};
    throw new SealedError({ code, status: 502, retryAfterMs: undefined }, message);
  }
  if (!frameShape.Check(data))
    throw new SealedError('unreadable_answer', 'An event of the answer is not a valid frame.');
  return data;
}

/** Splits a stream into whole server-sent events. */
async function* eventsIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    if (rest.length > MAX_EVENT_CHARACTERS)
      throw new SealedError(
        'unreadable_answer',
        `An event has more than ${MAX_EVENT_CHARACTERS} characters.`,
      );
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 2);
    }
  }
}
