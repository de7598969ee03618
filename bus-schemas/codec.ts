import { Decoder, Encoder } from '@msgpack/msgpack';
import { checkerOf, compiledCodec } from '#bus-schemas/platform.ts';
import { isWholeValue } from './codec-shape.ts';
import { CodedError } from './coded-error.ts';
import { type Static, type TSchema, Type } from './type.ts';

/** Maximum size of a message on the bus. A larger sealed body is sent in several parts. */
export const MAX_MESSAGE_BYTES = 512 * 1024;

export type CodecErrorCode = 'too_large' | 'malformed' | 'unsupported_version' | 'schema_mismatch';

/**
 * An invalid message. The error states the kind of message and the field, never the content,
 * because messages can carry sealed content.
 */
export class CodecError extends CodedError<CodecErrorCode> {
  readonly kind: string;

  constructor(code: CodecErrorCode, kind: string, detail: string, cause?: unknown) {
    super(code, `${kind}: ${detail}`, { cause });
    this.kind = kind;
  }
}

/** One kind of message: its name, its schema, and its encoding. */
export interface MessageKind<T> {
  readonly kind: string;
  readonly schema: TSchema;
  /** A small message may be a part of a buffer that others share. */
  encode(value: T): Uint8Array;
  /** The encoded message with further fields, which it must not have yet; it is not decoded. */
  extended(bytes: Uint8Array, fields: Partial<T>): Uint8Array;
  /** Throws CodecError. Unknown fields are ignored. */
  decode(bytes: Uint8Array): T;
}

export type MessageOf<K> = K extends MessageKind<infer T> ? T : never;

/** Schema of raw bytes with a length from `min` to `max`. */
export function Bytes(options: { min?: number; max: number }) {
  const { min = 0, max } = options;
  return Type.Refine(
    Type.Unsafe<Uint8Array>({ 'x-bytes': { min, max } }),
    (value) => value instanceof Uint8Array && value.length >= min && value.length <= max,
  );
}

// One encoder and one decoder are enough for the process: both are synchronous and keep no state
// between calls.
const encoder = new Encoder({ ignoreUndefined: true, initialBufferSize: 4096 });
const decoder = new Decoder({ maxExtLength: 0 });

/**
 * Version of every message. It is the first field of each map, so that a reader in any language can
 * reject other versions early.
 */
const VERSION = 1;

/** `maxBytes` is larger only for content that is sealed and sent in parts. */
export function defineMessage<S extends TSchema>(
  kind: string,
  schema: S,
  maxBytes = MAX_MESSAGE_BYTES,
): MessageKind<Static<S>> {
  const reference = referenceCodec(kind, schema);
  const compiled = compiledCodec(schema, VERSION);
  return {
    kind,
    schema,
    encode(value) {
      const bytes = compiled.encode(value) ?? reference.encode(value);
      if (bytes.length > maxBytes) throw new CodecError('too_large', kind, `${bytes.length} bytes`);
      return bytes;
    },
    extended(bytes, fields) {
      const added = encoder.encode(fields);
      const size = bytes.length + added.length - 1;
      if (size > maxBytes) throw new CodecError('too_large', kind, `${size} bytes`);
      return joinedMaps(kind, bytes, added);
    },
    decode(bytes) {
      if (bytes.length > maxBytes) throw new CodecError('too_large', kind, `${bytes.length} bytes`);
      return (compiled.decode(bytes) ?? reference.decode(bytes)) as Static<S>;
    },
  };
}

/**
 * The codec with @msgpack/msgpack and a check of the schema. It defines which messages are valid and
 * what they hold. It encodes and decodes those that the compiled codec of a kind does not cover, and all
 * errors come from here.
 */
export function referenceCodec(kind: string, schema: TSchema) {
  const validator = checkerOf(schema);
  return {
    encode: (value: unknown): Uint8Array => encoder.encode({ v: VERSION, ...(value as object) }),
    decode(bytes: Uint8Array): unknown {
      const value = decodeMap(kind, bytes);
      if (value['v'] !== VERSION)
        throw new CodecError('unsupported_version', kind, 'version is not 1');
      if (!validator.Check(value))
        throw new CodecError('schema_mismatch', kind, firstMismatch(validator.Errors(value)));
      return value;
    },
  };
}

/** Head of a MessagePack map with no field, and most fields of a map whose head is one byte. */
const EMPTY_MAP = 0x80;
const MOST_FIELDS = 15;

/** The fields of two encoded maps as one, with copies of their bytes. */
function joinedMaps(kind: string, one: Uint8Array, other: Uint8Array): Uint8Array {
  const fields = ((one[0] ?? 0) ^ EMPTY_MAP) + ((other[0] ?? 0) ^ EMPTY_MAP);
  if (fields > MOST_FIELDS) throw new CodecError('malformed', kind, 'no map of few fields');
  const joined = new Uint8Array(one.length + other.length - 1);
  joined.set(one);
  joined.set(other.subarray(1), one.length);
  joined[0] = EMPTY_MAP | fields;
  return joined;
}

/**
 * Decodes a message of any kind and version, without checking a schema: for tools that show
 * messages to people.
 */
export const decodeUnchecked = (bytes: Uint8Array): Record<string, unknown> =>
  decodeMap('message', bytes);

function decodeMap(kind: string, bytes: Uint8Array): Record<string, unknown> {
  if (!isWholeValue(bytes))
    throw new CodecError('malformed', kind, 'not exactly one complete MessagePack value');
  let value: unknown;
  try {
    value = decoder.decode(bytes);
  } catch (cause) {
    throw new CodecError('malformed', kind, 'not MessagePack', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CodecError('malformed', kind, 'not a map');
  }
  return value as Record<string, unknown>;
}

function firstMismatch(errors: readonly { instancePath: string; keyword: string }[]): string {
  const [first] = errors;
  return first === undefined
    ? 'does not fit its schema'
    : `${first.instancePath || '/'} fails ${first.keyword}`;
}
