import type { Refusal } from '#bus-schemas';

/** What is wrong with a machine: the same for one on the bus and one in virtual time. */
export interface Ailment {
  /** Every job, at once, while it says that it has room. */
  readonly refuses?: Refusal;
  /** Each answer begins so much later. */
  readonly lateMs?: number;
  /** Takes jobs and says nothing. */
  readonly stalls?: boolean;
  readonly ignoresCancels?: boolean;
  /** Says that it is so many times as fast as it is. */
  readonly boasts?: number;
  /** After so long at work it goes on at a share of its speed, until it has rested as long, and says nothing of it. */
  readonly throttles?: { readonly afterMs: number; readonly to: number };
  /** Something else has taken its memory: so much of the room for tokens is left. */
  readonly roomShare?: number;
}

/** By the names that the command line knows. */
export const ailments = {
  'black-hole': { refuses: 'queue_full' },
  late: { lateMs: 6_000 },
  stalls: { stalls: true },
  deaf: { ignoresCancels: true },
  boaster: { boasts: 10 },
  hot: { throttles: { afterMs: 60_000, to: 0.5 } },
  squeezed: { roomShare: 0.05 },
} as const satisfies Record<string, Ailment>;

export type AilmentName = keyof typeof ailments;
export const ailmentNames = Object.keys(ailments) as AilmentName[];
