import { eventStreams } from '#bus-schemas';
import type { ProcessSample } from './process-samples.ts';
import { retainedTables } from './retention.ts';
import { exceeds, leastValues, type Point, type Slope, secondHalf, slopeOf } from './slope.ts';

/** All figures of one moment; a line of the series. */
export interface Sample {
  readonly minute: number;
  readonly processes: Readonly<Record<string, ProcessSample>>;
  /** What is left on the heap after its garbage was collected, in MiB, by process; not in every sample. */
  readonly heapMiB: Readonly<Record<string, number>>;
  /** Delay of the event loop since the last sample, 99th percentile in milliseconds, by process. */
  readonly loopMs: Readonly<Record<string, number>>;
  readonly rows: Readonly<Record<string, number>>;
  readonly streams: Readonly<Record<string, { readonly messages: number; readonly bytes: number }>>;
  /** Size of the log of all processes, in KiB. */
  readonly logKiB: number;
  /** Requests since the beginning, and those that were not served. */
  readonly requests: number;
  readonly failed: number;
}

/** One figure over the time. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly Point[];
  /** Largest slope that is allowed in a minute; undefined if the figure may grow. */
  readonly perMinute?: number;
  /**
   * The figure is judged by its least value in each of so many minutes, because it grows and falls
   * with the collection of garbage. Less than four such values are not judged.
   */
  readonly leastOfMinutes?: number;
  /** Largest median in the second half. */
  readonly median?: number;
  /** Largest value at any time. */
  readonly most?: number;
}

const MOST_MEMORY_MIB = 1;
/** V8 and Go collect the garbage of a large heap several times in so many minutes. */
const COLLECTED_MINUTES = 15;
const LEAST_VALUES = 4;
const MOST_LOOP_MS = 30;
/** A file that is left open every five minutes is found in an hour. */
const MOST_FILES = 0.2;
const MOST_ROWS = 0.5;
const MOST_LOG_KIB = 5;
const MiB = 1024 * 1024;

/** The figures that are judged, from all samples. */
export function seriesOf(samples: readonly Sample[]): Series[] {
  const names = (of: (sample: Sample) => object) =>
    [...new Set(samples.flatMap((sample) => Object.keys(of(sample))))].toSorted();
  const points = (value: (sample: Sample) => number | undefined): Point[] =>
    samples.flatMap((sample) => {
      const known = value(sample);
      return known === undefined ? [] : [{ minute: sample.minute, value: known }];
    });
  const growing = new Map(retainedTables().map((table) => [table.table, table.growsWith]));
  const sizes = new Map(eventStreams.map((stream) => [stream.name, stream.maxBytes]));
  return [
    ...names(({ processes }) => processes).flatMap((name) => [
      {
        name: `memory of ${name}`,
        unit: 'MiB',
        points: points(({ processes }) => processes[name]?.ownMiB),
        perMinute: MOST_MEMORY_MIB,
        leastOfMinutes: COLLECTED_MINUTES,
      },
      {
        name: `open files of ${name}`,
        unit: 'files',
        points: points(({ processes }) => processes[name]?.files),
        // Each process of Postgres keeps up to a thousand files of tables open.
        ...(name !== 'Postgres' && { perMinute: MOST_FILES }),
      },
      {
        name: `processes of ${name}`,
        unit: 'processes',
        points: points(({ processes }) => processes[name]?.count),
        perMinute: MOST_FILES,
      },
    ]),
    ...names(({ heapMiB }) => heapMiB).map((name) => ({
      name: `live heap of ${name}`,
      unit: 'MiB',
      points: points(({ heapMiB }) => heapMiB[name]),
      perMinute: MOST_MEMORY_MIB,
    })),
    ...names(({ loopMs }) => loopMs).map((name) => ({
      name: `event loop of ${name}, p99`,
      unit: 'ms',
      points: points(({ loopMs }) => loopMs[name]),
      median: MOST_LOOP_MS,
    })),
    ...names(({ rows }) => rows).map((name) => ({
      name: `rows of ${name}`,
      unit: 'rows',
      points: points(({ rows }) => rows[name]),
      // A table that the page does not have may not grow.
      ...(/^(requests|time)$/.test(growing.get(name) ?? '') ? {} : { perMinute: MOST_ROWS }),
    })),
    ...names(({ streams }) => streams).map((name) => ({
      name: `size of the stream ${name}`,
      unit: 'MiB',
      points: points(({ streams }) => (streams[name]?.bytes ?? 0) / MiB),
      most: (sizes.get(name) ?? 0) / MiB,
    })),
    { name: 'log', unit: 'KiB', points: points(({ logKiB }) => logKiB), perMinute: MOST_LOG_KIB },
  ];
}

export interface Verdict {
  readonly series: Series;
  readonly first: number;
  readonly last: number;
  readonly slope: Slope;
  /** There are too few values to judge the slope. */
  readonly isTooShort: boolean;
  /** Why the series breaks its limit. */
  readonly broken?: string;
}

/** Compares each series with its limits. */
export function judge(series: readonly Series[]): Verdict[] {
  return series.map((one) => {
    const late = secondHalf(one.points);
    const judged = one.leastOfMinutes === undefined ? late : leastValues(late, one.leastOfMinutes);
    const isTooShort = one.leastOfMinutes !== undefined && judged.length < LEAST_VALUES;
    const slope = slopeOf(isTooShort ? late : judged);
    const values = late.map(({ value }) => value).toSorted((first, other) => first - other);
    const median = values[Math.floor(values.length / 2)] ?? 0;
    const largest = Math.max(...one.points.map(({ value }) => value));
    const broken =
      one.perMinute !== undefined && !isTooShort && exceeds(slope, one.perMinute)
        ? `grows by ${slope.perMinute.toFixed(2)} ${one.unit} a minute`
        : one.median !== undefined && median > one.median
          ? `is ${median.toFixed(1)} ${one.unit}`
          : one.most !== undefined && largest > one.most
            ? `is ${largest.toFixed(1)} ${one.unit}, more than ${one.most}`
            : undefined;
    return {
      series: one,
      first: one.points[0]?.value ?? 0,
      last: one.points.at(-1)?.value ?? 0,
      slope,
      isTooShort,
      ...(broken && { broken }),
    };
  });
}
