import { type Static, Type } from 'typebox';
import { X25519Key } from '../bytes.ts';
import { Bytes, defineMessage } from '../codec.ts';
import { AttemptNumber, BuildId, IngressId, JobId } from '../ids.ts';
import { countUpTo, optional } from '../schema-parts.ts';
import { CancelReason, Delivered } from './vocabulary.ts';

/** What the coordinator tells a provider. */

/**
 * Sealed body bytes that one part may carry: a part with its envelope stays under the bus's message
 * size.
 */
export const MAX_PART_BYTES = 480 * 1024;
/** 16 MiB of body in all. */
export const MAX_PARTS = 35;

const job = Type.Object({
  job: JobId,
  attempt: AttemptNumber,
  ingress: IngressId,
  build: BuildId,
  suite: Type.String({ maxLength: 64 }),
  /** HPKE encapsulated key: names the context that this job's keys are exported from. */
  enc: X25519Key,
  /** Time left for the first content, from receipt: a duration, because clocks differ. */
  firstContentMs: countUpTo(3_600_000),
  promptTokens: countUpTo(10_000_000),
  maxOutputTokens: countUpTo(10_000_000),
  /** First frame number that may not be sent yet. */
  window: countUpTo(0xffff_ffff),
  /**
   * Whoever ordered it cannot open the answer: say beside each frame what has to be known to pass
   * it on.
   */
  outlined: optional(Type.Boolean()),
  part: countUpTo(MAX_PARTS - 1),
  parts: Type.Integer({ minimum: 1, maximum: MAX_PARTS }),
  sealed: Bytes({ max: MAX_PART_BYTES }),
});
export type JobOrder = Static<typeof job>;
/**
 * Do this. Sent again with the same job, attempt and bytes when no answer came; doing it twice is
 * the provider's to prevent.
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
       * What the client has taken so far; absent when that is nothing. The provider returns the
       * newest one with its receipt.
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
