import type { EncodingSurface } from '#http-api/core/encodings/encoding-surface.ts';
import type { JsonObject } from '#http-api/core/json.ts';
import type { CountedPrompt } from '#http-api/core/prompt-text.ts';
import type { Surface } from '#http-api/core/surfaces/surface.ts';
import type { BodyQuestion } from './body-question.ts';
import type { WaitingBody } from './body-queue.ts';
import { type BodyThread, type BodyThreads, unreadBody } from './body-threads.ts';
import {
  type ChatCall,
  type ChatTerms,
  ChatWork,
  type EncodedChat,
  type ReadChat,
} from './chat-work.ts';
import type { ReadEncoding } from './encoding-work.ts';
import { LargeField, type SplitBody, withoutStandIns, withStandIns } from './large-fields.ts';

/**
 * Size from which a body is read in a thread, in bytes. A body of this size takes about 1.5 ms of the
 * event loop, and the messages to and from a thread take 0.3 ms.
 */
export const LARGE_BODY_BYTES = 128 * 1024;

/** Reads one chat request and encodes it for its provider, here or in a thread. */
export interface ChatReader {
  /** Throws an ApiError with the fault of the request. */
  read(call: ChatCall): Promise<ReadChat>;
  /** Must follow `read`. `images` are those that were fetched, by their address. */
  encode(terms: ChatTerms, images: ReadonlyMap<string, string>): Promise<EncodedChat>;
}

/** Reads a small request in this thread. */
export function readHere(): ChatReader {
  const work = new ChatWork();
  return {
    read: async (call) => work.read(call),
    encode: async (terms, images) => work.encode(terms, images),
  };
}

/**
 * A large body, which a thread parses and keeps. Of its fields, this process has those that are
 * small, and a stand-in for each of the others.
 */
export class LargeBody implements ChatReader, AsyncDisposable {
  readonly #threads: BodyThreads;
  readonly #waiting: WaitingBody;
  /** The bytes while no thread has them. */
  #bytes: Uint8Array | undefined;
  #thread: BodyThread | undefined;
  #fields: JsonObject = {};

  private constructor(bytes: Uint8Array, { threads, account, isWanted }: BodyOptions) {
    this.#threads = threads;
    this.#waiting = { account, isWanted, bytes: bytes.length };
    // Bytes that share their buffer with others cannot be handed over.
    this.#bytes = bytes.buffer.byteLength === bytes.length ? bytes : Uint8Array.from(bytes);
  }

  /** Parses a body, whose bytes are handed over. Throws an ApiError if it is no JSON object. */
  static async open(bytes: Uint8Array, options: BodyOptions): Promise<LargeBody> {
    const body = new LargeBody(bytes, options);
    try {
      await body.#opened();
      return body;
    } catch (error) {
      await body.rest();
      throw error;
    }
  }

  get size(): number {
    return this.#waiting.bytes;
  }

  get fields(): JsonObject {
    return this.#fields;
  }

  /**
   * A copy of `body` with the values of its stand-ins, or of those that are needed. For a
   * conversation this takes long; everything that can be done in the thread is done there.
   */
  async resolved(
    body: JsonObject,
    isNeeded = (_field: string, _value: LargeField) => true,
  ): Promise<JsonObject> {
    const values = new Map<string, unknown>();
    for (const [field, value] of Object.entries(body))
      if (value instanceof LargeField && isNeeded(field, value))
        values.set(field, await this.#ask({ do: 'value', field: value.name }));
    if (values.size === 0) return body;
    return Object.fromEntries(
      Object.entries(body).map(([field, value]) => [
        field,
        values.has(field) ? values.get(field) : value,
      ]),
    );
  }

  async digest(key: Buffer): Promise<Buffer> {
    return Buffer.from((await this.#ask({ do: 'digest', key })) as Uint8Array);
  }

  async read({ surface, body, owner, fetchesImages }: ChatCall): Promise<ReadChat> {
    const call = { surface: surface.path, body: withoutStandIns(body), owner, fetchesImages };
    return (await this.#ask({ do: 'read', ...call })) as ReadChat;
  }

  async encode(terms: ChatTerms, images: ReadonlyMap<string, string>): Promise<EncodedChat> {
    return (await this.#ask({ do: 'encode', terms, images })) as EncodedChat;
  }

  /** The JSON of the items of a field, with those before them. */
  async items({ name: field, before }: LargeField): Promise<Uint8Array> {
    return (await this.#ask({ do: 'items', field, before })) as Uint8Array;
  }

  /** The body as a request for an encoding. Throws an ApiError with its fault. */
  async encoding({ path: surface }: EncodingSurface): Promise<ReadEncoding> {
    return (await this.#ask({ do: 'encoding', surface })) as ReadEncoding;
  }

  /** The prompt of a body whose stand-ins may have been changed. Throws an ApiError with its fault. */
  async counted({ path: surface }: Surface, body: JsonObject): Promise<CountedPrompt> {
    return (await this.#ask({
      do: 'count',
      surface,
      body: withoutStandIns(body),
    })) as CountedPrompt;
  }

  /** Gives the thread to other requests. The next question parses the body again. */
  async rest(): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#thread = undefined;
    try {
      this.#bytes = (await thread.ask({ do: 'close' })) as Uint8Array;
    } catch {
      // The thread has ended and said so in the log. A later question is refused.
    }
    this.#threads.give(thread);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.rest();
  }

  async #ask(question: BodyQuestion): Promise<unknown> {
    return (await this.#opened()).ask(question);
  }

  async #opened(): Promise<BodyThread> {
    if (this.#thread !== undefined) return this.#thread;
    const thread = await this.#threads.take(this.#waiting);
    this.#thread = thread;
    const bytes = this.#bytes;
    this.#bytes = undefined;
    if (thread === undefined || bytes === undefined) throw unreadBody();
    const split = (await thread.ask({ do: 'open', bytes }, [
      bytes.buffer as ArrayBuffer,
    ])) as SplitBody;
    this.#fields = withStandIns(split);
    return thread;
  }
}

interface BodyOptions extends Pick<WaitingBody, 'account' | 'isWanted'> {
  readonly threads: BodyThreads;
}
