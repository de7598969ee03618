import { Bytes } from '../codec.ts';
import { AccountId, IngressId, JobId } from '../ids.ts';
import { At, count, countUpTo, nothing, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { ok, refused } from './service-method.ts';
import { ListTag, SealedContent } from './stored-objects.ts';

/**
 * Batches: many requests in one file, which ingresses run while machines are idle. The component
 * accounts stores them. One ingress at a time has the lease of a batch; only it may store results.
 */

export const BATCH_STATUSES = [
  'validating',
  'in_progress',
  'finalizing',
  'cancelling',
  'completed',
  'failed',
  'expired',
  'cancelled',
] as const;
/** A batch with one of these statuses has ended and never changes again. */
export const BATCH_ENDS = ['completed', 'failed', 'expired', 'cancelled'] as const;
export const MAX_BATCH_LINES = 10_000;
/** Most batches in one reply, which must fit into one message of the bus. */
export const MAX_BATCH_PAGE = 32;
/** Largest sealed request for a batch, with the metadata of its caller, in bytes. */
export const MAX_BATCH_BYTES = 6 * 1_024;
/** Largest sealed list of the errors of an input file, in bytes. */
const MAX_BATCH_ERRORS_BYTES = 6 * 1_024;

const ID_PATTERN = '^(?:batch|msgbatch)_[0-9a-z]{24}$';
export const BatchId = Type.String({ pattern: ID_PATTERN });
export const isBatchId = (id: string): boolean => new RegExp(ID_PATTERN).test(id);
/** The keys of a batch, sealed with a key that only ingresses have. */
const SealedKeys = Bytes({ max: 2_048 });
const named = { account: AccountId, id: BatchId };
const leased = { ...named, runner: IngressId };
const Line = countUpTo(MAX_BATCH_LINES - 1);
/** Whether the result of a line belongs to the output file or to the error file. */
const LineOutcome = Type.Enum(['output', 'error'] as const);

const BatchRecord = Type.Object({
  id: BatchId,
  status: Type.Enum(BATCH_STATUSES),
  sealed: Bytes({ max: MAX_BATCH_BYTES }),
  errors: optional(Bytes({ max: MAX_BATCH_ERRORS_BYTES })),
  lines: count,
  outputs: count,
  failures: count,
  hasOutputFile: Type.Boolean(),
  hasErrorFile: Type.Boolean(),
  createdAt: At,
  expiresAt: At,
  inProgressAt: optional(At),
  finalizingAt: optional(At),
  cancellingAt: optional(At),
  endedAt: optional(At),
  /** No ingress can read its keys any more, so it waits until its caller asks for it. */
  waitsForKeys: Type.Boolean(),
});
export type BatchRecord = Static<typeof BatchRecord>;

const found = Type.Union([ok({ batch: BatchRecord }), refused(['unknown'])]);
const stillLeased = Type.Union([ok({}), refused(['lost'])]);

export const createBatch = Type.Object({
  ...named,
  listTag: ListTag,
  sealed: Bytes({ max: MAX_BATCH_BYTES }),
  keys: SealedKeys,
  /** Time in which the batch must end, in milliseconds. */
  runMs: count,
  /** Time after its creation after which it is deleted, in milliseconds. */
  keepMs: count,
});
export const batchCreated = Type.Union([
  ok({ batch: BatchRecord }),
  /** `too_many`: the account has as many unfinished batches as it may have. */
  refused(['too_many', 'full']),
]);

export const ofBatch = Type.Object(named);
export const batchFound = found;

export const listBatches = Type.Object({
  account: AccountId,
  listTag: ListTag,
  /** The last batch of the page before. */
  after: optional(BatchId),
  /** The first batch of the page after; `after` and `before` exclude each other. */
  before: optional(BatchId),
  limit: Type.Integer({ minimum: 1, maximum: MAX_BATCH_PAGE }),
});
export const batchesListed = Type.Object({
  batches: Type.Array(BatchRecord, { maxItems: MAX_BATCH_PAGE }),
  hasMore: Type.Boolean(),
});

/** False if the batch has not ended. */
export const batchDeleted = Type.Object({ isDeleted: Type.Boolean() });

export const grantBatch = Type.Object({ ...named, keys: SealedKeys });
export const batchGranted = nothing;

/** Takes the lease of a batch that no ingress runs. */
export const claimBatch = Type.Object({ runner: IngressId, leaseMs: count });
export const batchClaimed = Type.Union([
  ok({
    account: AccountId,
    batch: BatchRecord,
    keys: SealedKeys,
    /** One bit for each line, the lowest bit first: 1 if its result is stored. */
    done: Bytes({ max: Math.ceil(MAX_BATCH_LINES / 8) }),
  }),
  refused(['none']),
]);

/** Renews the lease, and moves the batch to its next status. */
export const renewBatch = Type.Object({
  ...leased,
  leaseMs: count,
  /** Number of its lines; present once they are known. */
  lines: optional(countUpTo(MAX_BATCH_LINES)),
  isFinalizing: optional(Type.Boolean()),
});
export const batchRenewed = Type.Union([
  ok({
    status: Type.Enum(BATCH_STATUSES),
    /** How much more the account may store, in bytes. */
    roomBytes: count,
  }),
  refused(['lost']),
]);

/** Gives the lease back, so that another ingress can take it at once. */
export const releaseBatch = Type.Object({
  ...leased,
  /** Its keys cannot be read: they were sealed with credentials that have been replaced. */
  hasUnreadableKeys: Type.Boolean(),
});
export const batchReleased = nothing;

/** Stores the result of a line once. The same call may be repeated. */
export const putBatchLine = Type.Object({
  ...leased,
  line: Line,
  /** Tells a repeated call from that of another attempt at the line. */
  job: JobId,
  outcome: LineOutcome,
  sealed: SealedContent,
});
export const batchLinePut = stillLeased;

/** Reads the results of one outcome in the order of the lines. */
export const readBatchLines = Type.Object({
  ...leased,
  outcome: LineOutcome,
  /** The first line that is wanted. */
  from: countUpTo(MAX_BATCH_LINES),
});
export const batchLinesRead = Type.Union([
  ok({
    lines: Type.Array(Type.Object({ line: Line, sealed: SealedContent }), {
      maxItems: MAX_BATCH_LINES,
    }),
    hasMore: Type.Boolean(),
  }),
  refused(['lost']),
]);

/** Ends the batch, and deletes its keys and the results, which are in its files now. */
export const endBatch = Type.Object({
  ...leased,
  status: Type.Enum(BATCH_ENDS),
  errors: optional(Bytes({ max: MAX_BATCH_ERRORS_BYTES })),
  hasOutputFile: Type.Boolean(),
  hasErrorFile: Type.Boolean(),
});
export const batchEnded = stillLeased;
