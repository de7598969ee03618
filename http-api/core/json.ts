import { isUtf8 } from 'node:buffer';
import { ApiError } from '../errors.ts';

export type JsonObject = Record<string, unknown>;

const MAX_DEPTH = 64;
/**
 * Most values in one body. For example, 10,000 messages of one part each have 60,000 values. A body
 * of 16 MiB could have eight million, and parsing it would block all other requests of this process
 * for seconds.
 */
const MAX_VALUES = 100_000;

export function parseJson(body: unknown): JsonObject {
  if (!Buffer.isBuffer(body) || body.length === 0)
    throw new ApiError('invalid_json', 'The request has no body.');
  if (!isUtf8(body)) throw new ApiError('invalid_json', 'The body is not valid UTF-8.');
  checkSize(body);
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new ApiError('invalid_json', 'The body is not valid JSON.', { cause });
  }
  if (!isObject(value)) throw new ApiError('invalid_json', 'The body must be a JSON object.');
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Whether a field has a value. Null counts as absent, as it does in the APIs whose format the
 * surfaces have.
 */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export function invalid(param: string, message: string): ApiError {
  return new ApiError('invalid_request', message, { param });
}

/** A value from a request, shortened for an error message. */
export function quoted(value: unknown, limit = 64): string {
  return (
    JSON.stringify(typeof value === 'string' ? value.slice(0, limit) : value)?.slice(
      0,
      limit + 2,
    ) ?? 'nothing'
  );
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const NEAR_BYTES = 64;

/**
 * Limits the number of values and the depth that JSON.parse would build, with one pass over the
 * bytes that allocates no memory. In valid JSON every value but the outermost follows a comma or
 * opens its container, so commas and opening brackets outside of strings count the values.
 */
function checkSize(body: Buffer): void {
  let values = 1;
  let depth = 0;
  for (let at = 0; at < body.length; at += 1) {
    switch (body[at]) {
      case QUOTE:
        at = endOfString(body, at + 1);
        break;
      case 0x5b: // [
      case 0x7b: // {
        values += 1;
        depth += 1;
        if (depth > MAX_DEPTH)
          throw new ApiError('invalid_request', `The body is nested more than ${MAX_DEPTH} deep.`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1;
        break;
      case COMMA:
        values += 1;
        break;
    }
    if (values > MAX_VALUES)
      throw new ApiError('payload_too_large', `The body has more than ${MAX_VALUES} values.`);
  }
}

/**
 * Position of the quote that ends a string, or the length of the body if none does. The search of
 * Node is much faster than a loop, but costs as much as the loop for some dozen bytes.
 */
function endOfString(body: Buffer, start: number): number {
  for (let at = start; at < body.length; ) {
    for (const near = Math.min(at + NEAR_BYTES, body.length); at < near; at += 1) {
      if (body[at] === QUOTE) return at;
      if (body[at] === BACKSLASH) at += 1;
    }
    const quote = body.indexOf(QUOTE, at);
    if (quote === -1) return body.length;
    let escapes = quote;
    while (escapes > at && body[escapes - 1] === BACKSLASH) escapes -= 1;
    if ((quote - escapes) % 2 === 0) return quote;
    at = quote + 1;
  }
  return body.length;
}
