import { createHmac } from 'node:crypto';
import { CodecError } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { encodingSurfaces } from '#http-api/core/encodings/encoding-surfaces.ts';
import { type JsonObject, parseJson } from '#http-api/core/json.ts';
import { countedPrompt } from '#http-api/core/prompt-text.ts';
import { surfaces } from '#http-api/core/surfaces/surfaces.ts';
import { ApiError, type ApiErrorCode } from '#http-api/errors.ts';
import { COMPACTION_PATH, compactionFor } from '../http/compaction.ts';
import { type ChatCall, type ChatTerms, ChatWork } from './chat-work.ts';
import { readEncoding } from './encoding-work.ts';
import { itemsWith, restored, type SplitBody, splitBody } from './large-fields.ts';

/** What a thread is asked about the one body that it has. `open` comes first. */
export type BodyQuestion =
  | { readonly do: 'open'; readonly bytes: Uint8Array }
  | { readonly do: 'value'; readonly field: string }
  | { readonly do: 'digest'; readonly key: Uint8Array }
  | ({ readonly do: 'read'; readonly body: SplitBody } & Omit<ChatCall<string>, 'body'>)
  | {
      readonly do: 'encode';
      readonly terms: ChatTerms;
      readonly images: ReadonlyMap<string, string>;
    }
  /** The JSON of the items of a field, with those before them. */
  | { readonly do: 'items'; readonly field: string; readonly before: Uint8Array | undefined }
  | { readonly do: 'encoding'; readonly surface: string }
  | { readonly do: 'count'; readonly surface: string; readonly body: SplitBody }
  /** Forget the body, and return its bytes. */
  | { readonly do: 'close' };

export type BodyAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: SentError };

/** An error as a message: of the class ApiError, or of another one, which is a fault of the program. */
type SentError =
  | { readonly kind: 'fault'; readonly message: string }
  | ({ readonly kind: 'api' } & Pick<
      ApiError,
      'code' | 'message' | 'param' | 'reason' | 'retryAfterMs' | 'details'
    >);

export function receivedError(error: SentError): Error {
  if (error.kind === 'fault') return new Error(error.message);
  const { code, message, param, reason, retryAfterMs, details } = error;
  return new ApiError(code as ApiErrorCode, message, {
    ...(param !== null && { param }),
    ...(reason !== undefined && { reason }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(details !== undefined && { details }),
  });
}

function sentError(error: unknown): SentError {
  if (error instanceof ApiError) {
    const { code, message, param, reason, retryAfterMs, details } = error;
    return { kind: 'api', code, message, param, reason, retryAfterMs, details };
  }
  // A JSON body within its limit can be larger as a message of the bus.
  if (error instanceof CodecError && error.code === 'too_large')
    return sentError(new ApiError('payload_too_large'));
  return { kind: 'fault', message: messageOf(error) };
}

const NO_BYTES = new Uint8Array();

/** The one body that a thread works on. */
export class OpenBody {
  #bytes: Uint8Array = NO_BYTES;
  #body: JsonObject = {};
  #chat = new ChatWork();

  /** Never throws. `transfer` are the buffers of the answer that are handed over and not copied. */
  answer(question: BodyQuestion): { answer: BodyAnswer; transfer: ArrayBuffer[] } {
    try {
      const { value, transfer = [] } = this.#valueOf(question);
      return { answer: { ok: true, value }, transfer };
    } catch (error) {
      return { answer: { ok: false, error: sentError(error) }, transfer: [] };
    }
  }

  #valueOf(question: BodyQuestion): { value: unknown; transfer?: ArrayBuffer[] } {
    switch (question.do) {
      case 'open': {
        const { buffer, byteOffset, length } = question.bytes;
        this.#bytes = question.bytes;
        this.#body = parseJson(Buffer.from(buffer, byteOffset, length));
        return { value: splitBody(this.#body) };
      }
      case 'value':
        return { value: this.#body[question.field] };
      case 'digest':
        return { value: createHmac('sha256', question.key).update(this.#bytes).digest() };
      case 'read': {
        const { surface, owner, fetchesImages } = question;
        const body = restored(question.body, this.#body);
        return {
          value: this.#chat.read({
            surface:
              surface === COMPACTION_PATH ? compactionFor(owner) : surfaceAt(surface, surfaces),
            body,
            owner,
            fetchesImages,
          }),
        };
      }
      case 'encode': {
        const value = this.#chat.encode(question.terms, question.images);
        return { value, transfer: ownBuffer(value.encoded) };
      }
      case 'items': {
        const items = itemsWith(question.before, this.#body[question.field]);
        const value = Buffer.from(JSON.stringify(items));
        return { value, transfer: ownBuffer(value) };
      }
      case 'encoding': {
        const value = readEncoding(surfaceAt(question.surface, encodingSurfaces), this.#body);
        return { value, transfer: ownBuffer(value.encoded) };
      }
      case 'count': {
        const body = restored(question.body, this.#body);
        return { value: countedPrompt(surfaceAt(question.surface, surfaces), body) };
      }
      case 'close': {
        const bytes = this.#bytes;
        this.#bytes = NO_BYTES;
        this.#body = {};
        this.#chat = new ChatWork();
        return { value: bytes, transfer: [bytes.buffer as ArrayBuffer] };
      }
    }
  }
}

/** The buffer of some bytes, if they are alone in it. Small ones share theirs, and are copied. */
const ownBuffer = ({ buffer, byteLength }: Uint8Array<ArrayBuffer>): ArrayBuffer[] =>
  buffer.byteLength === byteLength ? [buffer] : [];

function surfaceAt<Api extends { readonly path: string }>(
  path: string,
  among: readonly Api[],
): Api {
  const surface = among.find((one) => one.path === path);
  if (surface === undefined) throw new TypeError(`there is no surface ${path}`);
  return surface;
}
