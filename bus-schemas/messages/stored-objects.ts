import { Bytes } from '../codec.ts';
import { AccountId } from '../ids.ts';
import { At, count, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { ok, refused } from './service-method.ts';

/**
 * Responses, conversations and files that a caller asked to store. The ingress seals their content
 * under a key that only a request with the caller's API key can derive.
 */

/** Largest sealed content that fits into one message of the bus, in bytes. */
export const MAX_SEALED_BYTES = 480 * 1_024;
export const SealedContent = Bytes({ max: MAX_SEALED_BYTES });

const ID_PATTERN = '^(?:resp|conv|file)_[0-9a-z_]{16,40}$';
/** Id of a stored response, conversation or file; the parts of a file have its id and a number. */
export const StoredId = Type.String({ pattern: ID_PATTERN });
export const isStoredId = (id: string): boolean => new RegExp(ID_PATTERN).test(id);
/** Largest sealed content of an object that can be listed, in bytes: a page fits into one message. */
export const MAX_LISTED_BYTES = 4 * 1_024;
export const MAX_LISTED_PAGE = 100;
/** Names the objects that one API key can list. It is derived from the key, which it does not reveal. */
export const ListTag = Bytes({ min: 32, max: 32 });
const object = { account: AccountId, id: StoredId };

/** Stores a new object, or a new version of one. The same call may be repeated. */
export const putStored = Type.Object({
  ...object,
  /** The version that is replaced; 0 for a new object. */
  version: count,
  /** A running response has a server that renews `runsUntil` until it ends. */
  state: Type.Enum(['running', 'ended'] as const),
  runsUntil: optional(At),
  sealed: SealedContent,
  expiresAt: At,
  /** Present if the caller can list the object; the sealed content is then at most `MAX_LISTED_BYTES`. */
  listTag: optional(ListTag),
  /**
   * The object replaces results of a batch, which counted before: it is stored even if the account
   * is full.
   */
  replacesResults: optional(Type.Boolean()),
});
export const storedPut = Type.Union([
  ok({}),
  /**
   * `full`: the account stores as much as it may. `changed`: there is another version, or the
   * response was lost or deleted in the meantime.
   */
  refused(['full', 'changed']),
]);
export type StoredPut = Static<typeof storedPut>;

export const ofStored = Type.Object(object);
export const storedRead = Type.Union([
  ok({
    version: count,
    /** `lost`: its server ended before the response did. */
    state: Type.Enum(['running', 'ended', 'cancelled', 'lost'] as const),
    sealed: SealedContent,
  }),
  refused(['unknown']),
]);
export type StoredRead = Static<typeof storedRead>;

export const renewStored = Type.Object({ ...object, runsUntil: At });
/** False if the response was cancelled, deleted or lost: its job must end. */
export const storedRenewed = Type.Object({ isRunning: Type.Boolean() });
/** False if the response was not running. */
export const storedCancelled = Type.Object({ isCancelled: Type.Boolean() });
export const storedDeleted = Type.Object({ isDeleted: Type.Boolean() });

/** Lists the newest objects first, or with `oldestFirst` in the opposite order. */
export const listStored = Type.Object({
  account: AccountId,
  listTag: ListTag,
  /** The last object of the page before. */
  after: optional(StoredId),
  oldestFirst: optional(Type.Boolean()),
  limit: Type.Integer({ minimum: 1, maximum: MAX_LISTED_PAGE }),
});
export const storedListed = Type.Object({
  objects: Type.Array(Type.Object({ id: StoredId, sealed: Bytes({ max: MAX_LISTED_BYTES }) }), {
    maxItems: MAX_LISTED_PAGE,
  }),
  hasMore: Type.Boolean(),
});
