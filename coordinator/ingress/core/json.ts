import { isUtf8 } from 'node:buffer';
import { ApiError } from '../errors.ts';

export type JsonObject = Record<string, unknown>;

const MAX_DEPTH = 64;

export function parseJson(body: unknown): JsonObject {
  if (!Buffer.isBuffer(body) || body.length === 0) throw new ApiError('invalid_json', 'The request has no body.');
  if (!isUtf8(body)) throw new ApiError('invalid_json', 'The body is not valid UTF-8.');
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new ApiError('invalid_json', 'The body is not valid JSON.', { cause });
  }
  if (!isObject(value)) throw new ApiError('invalid_json', 'The body must be a JSON object.');
  if (isDeeperThan(value, MAX_DEPTH)) throw new ApiError('invalid_request', `The body is nested more than ${MAX_DEPTH} deep.`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field that is absent and one that is null say the same to every API that we speak. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export function invalid(param: string, message: string): ApiError {
  return new ApiError('invalid_request', message, { param });
}

/** What a caller wrote, short enough to be shown to him. */
export function quoted(value: unknown, limit = 64): string {
  return JSON.stringify(typeof value === 'string' ? value.slice(0, limit) : value)?.slice(0, limit + 2) ?? 'nothing';
}

/** Level by level, so that hostile nesting cannot exhaust the stack. */
function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return false;
}
