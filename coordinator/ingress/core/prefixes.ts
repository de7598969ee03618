import { createHash, type Hash } from 'node:crypto';
import type { Prefix } from '#bus-schemas';
import { BYTES_PER_TOKEN } from './introspect.ts';
import type { JsonObject } from './json.ts';

/** A beginning shorter than this is read again before anybody could be found who has it. */
const LEAST_TOKENS = 100;
const MOST = 8;
const KEY_CHARACTERS = 22;

/** What a conversation keeps as long as it goes on, and shares with no other: all up to its first question. */
export function conversationOf({ messages, tools }: JsonObject, scope: string): string {
  const all = messages as readonly JsonObject[];
  const question = all.findIndex(({ role }) => role === 'user');
  return digestOf(createHash('sha256').update(JSON.stringify([scope, tools ?? null, all.slice(0, question + 1)])));
}

/**
 * The beginnings of a conversation, the longest first: who has answered one of them has it in his cache. As digests under a scope that
 * only this key has on this day, so that routing learns neither what was said nor that two customers said the same.
 */
export function prefixesOf({ messages, tools }: JsonObject, scope: string): Prefix[] {
  const hash = createHash('sha256')
    .update(scope)
    .update(JSON.stringify(tools ?? null));
  let bytes = 0;
  const prefixes: Prefix[] = [];
  const all = messages as readonly JsonObject[];
  for (const [index, message] of all.entries()) {
    const text = JSON.stringify(message);
    hash.update('\n').update(text);
    bytes += Buffer.byteLength(text);
    const tokens = Math.floor(bytes / BYTES_PER_TOKEN);
    if (tokens < LEAST_TOKENS || index < all.length - MOST) continue;
    prefixes.push({ key: digestOf(hash.copy()), tokens });
  }
  return prefixes.reverse();
}

const digestOf = (hash: Hash) => hash.digest('base64url').slice(0, KEY_CHARACTERS);
