/**
 * The clocks that trust compares its own with. All machines together have one vote, because one
 * person may enrol a dozen of them.
 */
type ClockSource = 'hub' | 'database' | 'machines';

export interface ClockReading {
  readonly source: ClockSource;
  /** That clock minus trust's own, in milliseconds. */
  readonly offsetMs: number;
}

export type ClockVerdict =
  /** Trust's own clock is right; `suspects` are the clocks that are wrong. */
  | { readonly is: 'agreed'; readonly suspects: readonly ClockReading[] }
  /** Two others agree against trust's own clock: its time is corrected by `offsetMs`. */
  | { readonly is: 'corrected'; readonly offsetMs: number; readonly by: readonly ClockSource[] }
  /**
   * Most machines agree against all servers that could be read. The servers may share one wrong
   * clock, so no machine is judged by its clock.
   */
  | { readonly is: 'disputed'; readonly offsetMs: number };

/** Clocks that differ by at most this agree. */
const AGREE_MS = 30_000;
/** With fewer machines than this, the wrong clock of one owner would be a majority. */
const FEWEST_MACHINES = 3;

export function judgeClocks(readings: readonly ClockReading[]): ClockVerdict {
  const against = readings.filter(({ offsetMs }) => Math.abs(offsetMs) > AGREE_MS);
  for (const { offsetMs: candidate } of against) {
    const together = against.filter(({ offsetMs }) => Math.abs(offsetMs - candidate) <= AGREE_MS);
    if (together.length >= 2)
      return {
        is: 'corrected',
        offsetMs: median(together.map(({ offsetMs }) => offsetMs)),
        by: together.map(({ source }) => source),
      };
  }
  const machines = against.find(({ source }) => source === 'machines');
  return machines === undefined
    ? { is: 'agreed', suspects: against }
    : { is: 'disputed', offsetMs: machines.offsetMs };
}

/** The common offset of the machines; undefined unless most of them agree. */
export function machinesOffset(offsets: readonly number[]): number | undefined {
  if (offsets.length < FEWEST_MACHINES) return undefined;
  const middle = median(offsets);
  const agreeing = offsets.filter((offset) => Math.abs(offset - middle) <= AGREE_MS);
  return agreeing.length * 2 > offsets.length ? middle : undefined;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
