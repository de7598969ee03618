import { createHash, type Hash } from 'node:crypto';
import type { Prefix } from '#bus-schemas';
import { BYTES_PER_TOKEN } from './introspect.ts';
import type { JsonObject } from './json.ts';

/** A beginning shorter than this is read again before anybody could be found who has it. */
const LEAST_TOKENS = 100;
const MOST = 8;
const KEY_CHARACTERS = 22;

export interface Beginnings {
  /**
   * What a conversation keeps as long as it goes on, and shares with no other: all up to its first
   * question.
   */
  readonly conversation: string;
  /** The longest first: who has answered one of them has it in his cache. */
  readonly prefixes: Prefix[];
}

/**
 * The beginnings of a conversation. As digests under a scope that only this key has on this day, so
 * that routing learns neither what
 * was said nor that two customers said the same.
 */
export function beginningsOf({ messages, tools }: JsonObject, scope: string): Beginnings {
  const hash = createHash('sha256')
    .update(scope)
    .update(JSON.stringify(tools ?? null));
  let bytes = 0;
  let conversation: string | undefined;
  const prefixes: Prefix[] = [];
  const all = messages as readonly JsonObject[];
  for (const [index, message] of all.entries()) {
    const text = JSON.stringify(message);
    hash.update('\n').update(text);
    bytes += Buffer.byteLength(text);
    if (message['role'] === 'user') conversation ??= digestOf(hash.copy());
    const tokens = Math.floor(bytes / BYTES_PER_TOKEN);
    if (tokens < LEAST_TOKENS || index < all.length - MOST) continue;
    prefixes.push({ key: digestOf(hash.copy()), tokens });
  }
  return { conversation: conversation ?? digestOf(hash), prefixes: prefixes.reverse() };
}

const digestOf = (hash: Hash) => hash.digest('base64url').slice(0, KEY_CHARACTERS);
