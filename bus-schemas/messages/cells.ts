import { defineMessage } from '../codec.ts';
import { BuildId } from '../ids.ts';
import { count } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';

/** Messages of cells. A cell is a part of the fleet with a router of its own. */

export const MAX_CELLS = 100;
/** Number of the only cell in a network that is not divided into cells. */
export const FIRST_CELL = 0;
export const CellNumber = Type.Integer({ minimum: 0, maximum: MAX_CELLS - 1 });

/** The leading router of a cell sends this twice a second: its presence and its free capacity. */
const cellDigest = Type.Object({
  cell: CellNumber,
  /** The cell accepts no new jobs; other cells take over its machines. */
  draining: Type.Boolean(),
  providers: count,
  queued: count,
  builds: Type.Array(Type.Object({ build: BuildId, freeSlots: count }), { maxItems: 2_000 }),
});
export type CellDigest = Static<typeof cellDigest>;
export const CellDigest = defineMessage('cell.digest', cellDigest);

/**
 * Message between the candidates for one lease. They send it several times a second over core NATS,
 * not through JetStream.
 */
const leaseMessage = Type.Object({
  /** Id of the candidate; a process draws a new one each time it starts. */
  holder: Type.String({ minLength: 1, maxLength: 64 }),
  /** Number of this term; greater than that of every earlier holder. */
  epoch: count,
  state: Type.Enum(['claimed', 'held', 'released']),
  /**
   * Time of sending, in milliseconds of the sender's own clock. Only the sender uses it, when the
   * hub delivers the message back to it.
   */
  sentAt: count,
});
export type LeaseMessage = Static<typeof leaseMessage>;
export const LeaseMessage = defineMessage('lease.word', leaseMessage);
