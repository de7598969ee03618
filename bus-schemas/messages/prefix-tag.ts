import { type Static, Type } from '../type.ts';

/**
 * The beginning of a prefix's digest, by which a machine names a prompt that it has in its cache.
 * With 60 bits, two of the prefixes that a router knows have the same tag about once in ten million.
 */
const TAG_CHARACTERS = 10;
export const PrefixTag = Type.String({ pattern: `^[A-Za-z0-9_-]{${TAG_CHARACTERS}}$` });
export type PrefixTag = Static<typeof PrefixTag>;

export const prefixTagOf = (key: string): PrefixTag => key.slice(0, TAG_CHARACTERS);

/** Most prompts of which a machine remembers that it has computed them. */
export const MAX_HELD_PREFIXES = 512;
/** Most tags in one beat, which are 704 bytes. */
export const MAX_ANNOUNCED_PREFIXES = 64;
