import { Hash, X25519Key } from '../bytes.ts';
import { Bytes, defineMessage } from '../codec.ts';
import { AttemptNumber, BuildId, JobId, SessionId } from '../ids.ts';
import { GroupPlaceBytes } from '../receipts/group-place.ts';
import { P256_KEY_BYTES, P256_SIGNATURE_BYTES } from '../receipts/signed-by.ts';
import { count, countUpTo, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { Conditions, MAX_MEMORY_MB } from './conditions.ts';
import { REFUSAL_ABOUTS } from './outcomes.ts';
import { MAX_ANNOUNCED_PREFIXES, PrefixTag } from './prefix-tag.ts';
import { Delivered, EngineName, Finish, Refusal, SlotState, Traits, Usage } from './vocabulary.ts';

/**
 * Reports of a provider about itself. The provider may lie in each number, so receivers limit each
 * to a plausible range before they use it.
 */

const rate = (maximum: number) => Type.Number({ minimum: 0, maximum });

export const Machine = Type.Object({
  chip: Type.String({ minLength: 1, maxLength: 64 }),
  memoryGb: rate(4096),
  bandwidthGbps: rate(10_000),
  simulated: Type.Boolean(),
});
export type Machine = Static<typeof Machine>;

/** Maximum number of job ids in a slot's report; more than any machine runs at the same time. */
export const MAX_JOBS_NAMED = 1_024;

/** One build on one machine: its state, load and speed. */
export const Slot = Type.Object({
  build: BuildId,
  state: SlotState,
  contextTokens: countUpTo(10_000_000),
  running: countUpTo(100_000),
  waiting: countUpTo(100_000),
  /**
   * Ids of the jobs that run or wait here. From them a router learns which of its orders have
   * arrived, and which jobs come from another router.
   */
  jobs: optional(Type.Array(JobId, { maxItems: MAX_JOBS_NAMED })),
  maxConcurrency: countUpTo(100_000),
  /** Tokens (prompt and output together) that may still be admitted. */
  freeTokens: countUpTo(1_000_000_000),
  decodeTps: rate(100_000),
  prefillTps: rate(1_000_000),
  loadMs: countUpTo(3_600_000),
  /** Memory that the model needs at least, with its smallest cache, in MB. */
  memoryMb: optional(countUpTo(MAX_MEMORY_MB)),
  traits: optional(Traits),
});
export type Slot = Static<typeof Slot>;

/**
 * `sequence` increases with every capacity report of a session, so that receivers can drop reports
 * that arrive late.
 */
const capacityFields = {
  session: SessionId,
  sequence: count,
  draining: Type.Boolean(),
  /**
   * Why it drains, if a setting of its owner or a state of its computer is the reason; one of the
   * reasons in `provider/reasons.ts`. It is plain text, because an older router must read it too.
   */
  closedFor: optional(Type.String({ minLength: 1, maxLength: 32 })),
  conditions: optional(Conditions),
  slots: Type.Array(Slot, { maxItems: 64 }),
};

/** Sent between two beats when a slot changes. */
const capacity = Type.Object(capacityFields);
export type Capacity = Static<typeof capacity>;
export const Capacity = defineMessage('capacity', capacity);

const announcement = Type.Object({
  ...capacityFields,
  agentVersion: Type.String({ maxLength: 32 }),
  machine: Machine,
  engine: EngineName,
  /** The machine serves only requests of its owner. */
  privateOnly: optional(Type.Boolean()),
  /** The owner of the machine excludes lines of batches. */
  noBatches: optional(Type.Boolean()),
  /**
   * Whether the machine fetches the builds that the network wants by itself, or shows them to its
   * owner. Absent if it ignores them.
   */
  prefetches: optional(Type.Boolean()),
  /**
   * Some of the prompts that the machine can continue without computing them, from memory or disk. All of
   * them appear in turn; those that were used last are in every announcement.
   */
  holds: optional(Type.Array(PrefixTag, { maxItems: MAX_ANNOUNCED_PREFIXES })),
  sealing: Type.Object({ suite: Type.String({ maxLength: 64 }), publicKey: X25519Key }),
});
export type Announcement = Static<typeof announcement>;

/** First message of a session. */
export const Hello = defineMessage('hello', announcement);
/**
 * Complete status, sent every few seconds. A router that has just started builds its whole picture
 * of the fleet from beats.
 */
export const Beat = defineMessage('beat', announcement);

/** The provider's statement about the work for one attempt. */
const receipt = Type.Object({
  /** Absent: the hashes are plain SHA-256. 2: they are HMAC-SHA-256 with the receipt's salt. */
  version: optional(Type.Literal(2)),
  job: JobId,
  attempt: AttemptNumber,
  build: BuildId,
  usage: Usage,
  /** The answer tokens that another machine wrote before; absent if this one wrote all of them. */
  continuedTokens: optional(Type.Integer({ minimum: 1, maximum: 10_000_000 })),
  finish: Finish,
  requestHash: Hash,
  responseHash: Hash,
  /**
   * The newest proof of delivery from the ingress. Settlement charges by it if that ingress has
   * died. It is not covered by `signature`, because it contains a proof of its own.
   */
  delivered: optional(Delivered),
  /** Signature of the other fields with the provider's own key (bus-schemas/receipts/). */
  signature: optional(Bytes({ min: P256_SIGNATURE_BYTES, max: P256_SIGNATURE_BYTES })),
  signingKey: optional(Bytes({ min: P256_KEY_BYTES, max: P256_KEY_BYTES })),
  /**
   * The place of this receipt in the group that `signature` covers; absent if it covers this receipt
   * alone. Sent only for orders with `groups`.
   */
  group: optional(GroupPlaceBytes),
});
export type Receipt = Static<typeof receipt>;
/** Several receipts in one message. Each is repeated until settlement acknowledges it. */
export const Receipts = defineMessage(
  'receipt',
  Type.Object({ receipts: Type.Array(receipt, { minItems: 1, maxItems: 256 }) }),
);

/**
 * The facts about a frame that are needed by a component that cannot open the frame. The client
 * opens the frame and compares them with its content, so that neither side can lie about them.
 */
const outline = Type.Object({
  tokens: countUpTo(10_000_000),
  end: optional(
    Type.Object({ finish: Finish, usage: Usage, about: optional(Type.Enum(REFUSAL_ABOUTS)) }),
  ),
});
export type Outline = Static<typeof outline>;

const MAX_DETAIL_BYTES = 2_048;

const frame = {
  t: Type.Literal('frame'),
  attempt: AttemptNumber,
  seq: countUpTo(0xffff_ffff),
  sealed: Bytes({ max: 256 * 1024 }),
  outline: optional(outline),
  /**
   * Sent with the frame that ends the attempt. The ingress checks its signature, so that settlement can
   * pay the provider at once.
   */
  receipt: optional(receipt),
};

/** All messages of a provider about one job, published on the subject of that job. */
const out = Type.Union([
  Type.Object({ t: Type.Literal('accept'), attempt: AttemptNumber }),
  Type.Object({
    t: Type.Literal('refuse'),
    attempt: AttemptNumber,
    reason: Refusal,
    retryAfterMs: optional(countUpTo(600_000)),
    /** The part of an invalid request that cannot be used. */
    about: optional(Type.Enum(REFUSAL_ABOUTS)),
    /**
     * Explanation for the client: `RefusalDetail`, sealed as frame 0 because it may quote the
     * request.
     */
    detail: optional(Bytes({ max: MAX_DETAIL_BYTES })),
  }),
  Type.Object(frame),
]);
export type Out = Static<typeof out>;
export const Out = defineMessage('out', out);

export const MAX_GROUPED_FRAMES = 256;
const groupedFrame = Type.Object({ job: JobId, ...frame });
export type GroupedFrame = Static<typeof groupedFrame>;
/**
 * Frames of one or several jobs for one ingress. Sent only for orders with `jointFrames`.
 */
export const FrameGroup = defineMessage(
  'frame-group',
  Type.Object({
    frames: Type.Array(groupedFrame, { minItems: 1, maxItems: MAX_GROUPED_FRAMES }),
  }),
);
