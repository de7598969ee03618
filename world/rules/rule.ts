import type { BookEntry } from '../customers.ts';
import { leafOf, type WorldFault } from '../faults.ts';
import type { WorldNetwork } from '../network.ts';
import type { World } from '../world.ts';

/** What the world knows when it has ended. */
export interface Ended {
  readonly world: World;
  readonly network: WorldNetwork;
  readonly faults: readonly WorldFault[];
  readonly book: readonly BookEntry[];
  readonly charges: ReadonlyMap<string, PaidJob>;
  /** The jobs of which telemetry has a row. */
  readonly generations: ReadonlySet<string>;
  /** Number of facts that tell the end of a job, by job. */
  readonly endedFacts: ReadonlyMap<string, number>;
  /** Number of facts that tell the charge of a job, by job. */
  readonly settledFacts: ReadonlyMap<string, number>;
  /** The machines that each job was ordered from. */
  readonly machinesOf: ReadonlyMap<string, readonly string[]>;
  /** Number of jobs that telemetry has counted. */
  readonly countedJobs: number;
  /** The jobs for which money is set aside. */
  readonly openHolds: ReadonlySet<string>;
  /** Money that is still set aside although its time is over. */
  readonly overdueHolds: number;
  /** When the customers began to ask. */
  readonly begin: number;
  /** From this time on nothing went wrong any more. */
  readonly healedAt: number;
}

export interface PaidJob {
  readonly job: string;
  readonly outcome: string;
  readonly tokens: number;
  readonly charged: number;
}

/** A rule that every world must keep. */
export interface Rule {
  readonly name: string;
  /** Returns a sentence for each place where it is broken. */
  readonly broken: (ended: Ended) => Promise<string[]> | string[];
}

/** The sentences about the requests of the book that break a rule. */
export const each = (
  book: readonly BookEntry[],
  broken: (entry: BookEntry) => string | undefined,
): string[] =>
  book.flatMap((entry) => {
    const text = broken(entry);
    return text === undefined ? [] : [`request ${entry.number} ${text}`];
  });

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** Whether a fault concerns a machine: its agent or its leaf. */
export const isOfMachine = ({ host }: WorldFault): boolean => host.includes('machine');

/** Whether no part of the coordinator fails, and one machine at least has no fault. */
export const onlyMachinesFail = ({ faults, network }: Ended): boolean =>
  faults.every((fault) => isOfMachine(fault) || fault.kind === 'key_removal') &&
  network.machines.some(({ name }) => !faults.some((fault) => concerns(fault, [name])));

/** Whether a fault concerns the agent or the leaf of one of these machines. */
export const concerns = ({ host }: WorldFault, machines: readonly string[]): boolean =>
  machines.some((machine) => host === machine || host === leafOf(machine));

/**
 * Time in which a fact is stored, or read again, once nothing is wrong with the host that does it:
 * a try that is not answered and the pause after it take 2.5 s.
 */
const NEXT_TRY_MS = 4_000;

/** Whether a fault concerns one of these hosts at this time or until a try after it succeeds. */
export const isTroubled = (
  at: number,
  hosts: readonly string[],
  faults: readonly WorldFault[],
): boolean => troubleUntil(at, hosts, faults) > at + NEXT_TRY_MS;

/** The end of the faults of these hosts that follow one another without a pause from this time on. */
export function troubleUntil(
  from: number,
  hosts: readonly string[],
  faults: readonly WorldFault[],
): number {
  let until = from + NEXT_TRY_MS;
  for (const { host, other = '', at, forMs } of faults)
    if ((hosts.includes(host) || hosts.includes(other)) && at <= until && at + forMs >= from)
      until = Math.max(until, at + forMs + NEXT_TRY_MS);
  return until;
}
