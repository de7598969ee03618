import { type Static, Type } from 'typebox';
import { defineMessage } from '../codec.ts';
import { BuildId } from '../ids.ts';
import { count } from '../schema-parts.ts';

/** A cell is a part of the fleet with a router of its own. */

export const MAX_CELLS = 100;
/** The one that there is where nobody speaks of cells. */
export const FIRST_CELL = 0;
export const CellNumber = Type.Integer({ minimum: 0, maximum: MAX_CELLS - 1 });

/**
 * What the leading router of a cell says again and again: that it is there, and what it has to
 * give.
 */
const cellDigest = Type.Object({
  cell: CellNumber,
  /** Takes nothing new; its machines belong to the others. */
  draining: Type.Boolean(),
  providers: count,
  queued: count,
  builds: Type.Array(Type.Object({ build: BuildId, freeSlots: count }), { maxItems: 2_000 }),
});
export type CellDigest = Static<typeof cellDigest>;
export const CellDigest = defineMessage('cell.digest', cellDigest);

/**
 * What candidates for one lease tell one another, many times a second and never through JetStream.
 */
const leaseWord = Type.Object({
  /** Different for every candidate and every start of its process. */
  holder: Type.String({ minLength: 1, maxLength: 64 }),
  /** Greater than that of every holder before. */
  epoch: count,
  state: Type.Enum(['claimed', 'held', 'released']),
  /**
   * When it was sent, in milliseconds of the sender's own clock: only the sender reads it, when the
   * hub brings the message back.
   */
  sentAt: count,
});
export type LeaseWord = Static<typeof leaseWord>;
export const LeaseWord = defineMessage('lease.word', leaseWord);
