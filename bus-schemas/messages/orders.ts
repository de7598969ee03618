import { X25519Key } from '../bytes.ts';
import { Bytes, defineMessage } from '../codec.ts';
import { AttemptNumber, BuildId, IngressId, JobId } from '../ids.ts';
import { countUpTo, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { CancelReason, Delivered, Encoding } from './vocabulary.ts';

/** Messages from the coordinator to a provider. */

/**
 * Maximum sealed body bytes in one part. A part and its other fields together stay below the size
 * limit of a bus message (512 KiB).
 */
export const MAX_PART_BYTES = 480 * 1024;
/** Maximum parts of one request: enough for a sealed body of 16 MiB. */
export const MAX_PARTS = 35;

const job = Type.Object({
  job: JobId,
  attempt: AttemptNumber,
  ingress: IngressId,
  build: BuildId,
  suite: Type.String({ maxLength: 64 }),
  /** HPKE encapsulated key of the context that this job's keys are derived from. */
  enc: X25519Key,
  /**
   * Time until the first content is due, in milliseconds from the receipt of this message. It is a
   * duration, because the clocks of two machines differ.
   */
  firstContentMs: countUpTo(3_600_000),
  promptTokens: countUpTo(10_000_000),
  maxOutputTokens: countUpTo(10_000_000),
  /** First frame number that may not be sent yet. */
  window: countUpTo(0xffff_ffff),
  /**
   * The ingress cannot open the answer, because the client sealed the request. The provider then
   * adds an `outline` to each frame.
   */
  outlined: optional(Type.Boolean()),
  /**
   * The client gets the answer only when it is complete, so its pieces may wait for one another and
   * share frames.
   */
  whole: optional(Type.Boolean()),
  /**
   * The ingress and every copy of settlement read receipts of which several share one signature.
   */
  groups: optional(Type.Boolean()),
  /** The ingress reads frames of several jobs from one message (`frame-group`). */
  jointFrames: optional(Type.Boolean()),
  /** The sealed body is an `encoding-request` of this kind; absent if it asks for an answer. */
  encoding: optional(Encoding),
  part: countUpTo(MAX_PARTS - 1),
  parts: Type.Integer({ minimum: 1, maximum: MAX_PARTS }),
  sealed: Bytes({ max: MAX_PART_BYTES }),
});
export type JobOrder = Static<typeof job>;
/**
 * Orders a provider to serve a job. The ingress sends the same bytes again when no reply arrives;
 * the provider must not run the same job and attempt twice.
 */
export const JobOrder = defineMessage('job', job);

const flow = Type.Object({
  ingress: IngressId,
  jobs: Type.Array(
    Type.Object({
      job: JobId,
      attempt: AttemptNumber,
      /** Every frame below this number has arrived. */
      received: countUpTo(0xffff_ffff),
      /** First frame number that may not be sent yet. */
      window: countUpTo(0xffff_ffff),
      /** Frames from `received` on were lost: send them again. */
      resend: Type.Boolean(),
      /**
       * Tokens that the client has received so far; absent when it has received none. The provider
       * returns the newest value with its receipt.
       */
      delivered: optional(Delivered),
    }),
    { maxItems: 1024 },
  ),
});
export type Flow = Static<typeof flow>;
export const Flow = defineMessage('flow', flow);

const cancel = Type.Object({ job: JobId, attempt: AttemptNumber, reason: CancelReason });
export type Cancel = Static<typeof cancel>;
export const Cancel = defineMessage('cancel', cancel);

const load = Type.Object({ build: BuildId });
export type Load = Static<typeof load>;
export const Load = defineMessage('load', load);

const ack = Type.Object({
  receipts: Type.Array(Type.Object({ job: JobId, attempt: AttemptNumber }), { maxItems: 1024 }),
});
export type Ack = Static<typeof ack>;
/** These receipts are in the ledger: stop repeating them. */
export const Ack = defineMessage('ack', ack);
