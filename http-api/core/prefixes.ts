import { createHash, type Hash } from 'node:crypto';
import { BYTES_PER_TOKEN, type Prefix } from '#bus-schemas';
import type { ChatIntent } from './introspect.ts';
import type { JsonObject } from './json.ts';

/**
 * Shortest prefix that is sent to routing, in tokens. A machine reads a shorter one again sooner
 * than another machine that has it cached can be found.
 */
const LEAST_TOKENS = 100;
const MOST = 8;
const KEY_CHARACTERS = 22;

export interface Beginnings {
  /**
   * Digest of everything up to the first message of the user: it is the same in every turn of a
   * conversation, and different in other conversations.
   */
  readonly conversation: string;
  /** Longest first. A machine that has answered one of them has it in its cache. */
  readonly prefixes: Prefix[];
}

/**
 * Digests of the prefixes of a conversation. They are computed under a scope that belongs to one
 * API key and one day: with plain hashes, routing could confirm a guessed prompt, and see that two
 * customers sent the same one.
 */
export function beginningsOf(
  { body: { messages, tools }, messageTexts }: Pick<ChatIntent, 'body' | 'messageTexts'>,
  scope: string,
): Beginnings {
  const hash = createHash('sha256')
    .update(scope)
    .update(JSON.stringify(tools ?? null));
  let bytes = 0;
  let conversation: string | undefined;
  const prefixes: Prefix[] = [];
  const all = messages as readonly JsonObject[];
  for (const [index, message] of all.entries()) {
    const text = messageTexts[index] as Buffer;
    hash.update('\n').update(text);
    bytes += text.length;
    if (message['role'] === 'user') conversation ??= digestOf(hash.copy());
    const tokens = Math.floor(bytes / BYTES_PER_TOKEN);
    if (tokens < LEAST_TOKENS || index < all.length - MOST) continue;
    prefixes.push({ key: digestOf(hash.copy()), tokens });
  }
  return { conversation: conversation ?? digestOf(hash), prefixes: prefixes.reverse() };
}

const digestOf = (hash: Hash) => hash.digest('base64url').slice(0, KEY_CHARACTERS);
