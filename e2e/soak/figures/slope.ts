/** A line through points, by least squares. */
export interface Slope {
  /** Change of the value in a minute. */
  readonly perMinute: number;
  /** Standard error of this change: noise alone gives a slope of about this size. */
  readonly error: number;
}

export interface Point {
  readonly minute: number;
  readonly value: number;
}

/** The slope of the points; 0 if there are too few of them for an error. */
export function slopeOf(points: readonly Point[]): Slope {
  const count = points.length;
  const mean = (of: (point: Point) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / count;
  const [middle, level] = [mean(({ minute }) => minute), mean(({ value }) => value)];
  const spread = points.reduce((sum, { minute }) => sum + (minute - middle) ** 2, 0);
  if (count < 3 || spread === 0) return { perMinute: 0, error: 0 };
  const perMinute =
    points.reduce((sum, { minute, value }) => sum + (minute - middle) * (value - level), 0) /
    spread;
  const left = points.reduce(
    (sum, { minute, value }) => sum + (value - level - perMinute * (minute - middle)) ** 2,
    0,
  );
  return { perMinute, error: Math.sqrt(left / (count - 2) / spread) };
}

/** The points of the second half of the time: in the first, caches fill up. */
export function secondHalf(points: readonly Point[]): Point[] {
  const last = points.at(-1)?.minute ?? 0;
  const first = points[0]?.minute ?? 0;
  return points.filter(({ minute }) => minute >= (first + last) / 2);
}

/** The point with the least value of each of the whole windows of so many minutes. */
export function leastValues(points: readonly Point[], minutes: number): Point[] {
  const first = points[0]?.minute ?? 0;
  const last = points.at(-1)?.minute ?? 0;
  const windows = Map.groupBy(points, ({ minute }) => Math.floor((minute - first) / minutes));
  return [...windows]
    .filter(([window]) => first + (window + 1) * minutes <= last + 1)
    .map(([, inside]) =>
      inside.reduce((least, point) => (point.value < least.value ? point : least)),
    );
}

/**
 * Whether the slope is above the limit for certain: by more than twice its standard error, so that
 * the collection of garbage does not look like growth.
 */
export const exceeds = ({ perMinute, error }: Slope, limit: number): boolean =>
  perMinute - 2 * error > limit;
