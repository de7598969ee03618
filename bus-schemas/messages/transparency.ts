import { Hash } from '../bytes.ts';
import { Bytes, defineMessage } from '../codec.ts';
import { count, nothing } from '../schema-parts.ts';
import { TreeHead } from '../transparency/log-entries.ts';
import { LogKeySuccession } from '../transparency/log-keys.ts';
import { Type } from '../type.ts';
import { methodsOf, ok, refused } from './service-method.ts';

/** Requests to the transparency log. */

/** Longer than any valid proof: in a tree of 2^64 leaves a proof has at most 65 hashes. */
const Proof = Type.Array(Hash, { maxItems: 128 });
const MAX_ENTRY_BYTES = 1_024;

/** Published when the log has grown. */
export const TrustHead = defineMessage('evt.trust.head', TreeHead);

const define = methodsOf('trust');
export const transparency = {
  head: define('log-head', nothing, TreeHead),
  /** Finds the newest leaf with this hash in the tree of the given size. */
  inclusion: define(
    'log-inclusion',
    Type.Object({ leaf: Hash, size: count }),
    Type.Union([ok({ index: count, proof: Proof }), refused(['not_in_log'])]),
  ),
  consistency: define(
    'log-consistency',
    Type.Object({ earlier: count, later: count }),
    Type.Union([ok({ proof: Proof }), refused(['no_such_size'])]),
  ),
  /** The successions of the keys of the log, oldest first; empty if the first key signs. */
  keys: define(
    'log-keys',
    nothing,
    Type.Object({ successions: Type.Array(LogKeySuccession, { maxItems: 1_000 }) }),
  ),
  entries: define(
    'log-entries',
    Type.Object({ from: count, limit: Type.Integer({ minimum: 1, maximum: 1_000 }) }),
    Type.Object({
      entries: Type.Array(Type.Object({ index: count, entry: Bytes({ max: MAX_ENTRY_BYTES }) }), {
        maxItems: 1_000,
      }),
    }),
  ),
} as const;
