/** Returns the value below which the share `share` of the samples lies. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Returns median, minimum and maximum of one figure over several rounds. */
export function spread(rounds: readonly number[]): Spread {
  return { median: percentile(rounds, 0.5), min: Math.min(...rounds), max: Math.max(...rounds) };
}

export const show = ({ median, min, max }: Spread, digits = 2): string =>
  `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;

/** The same with two decimals, as results are stored. */
export function rounded({ median, min, max }: Spread): Spread {
  const [middle = 0, least = 0, most = 0] = [median, min, max].map(
    (value) => Math.round(value * 100) / 100,
  );
  return { median: middle, min: least, max: most };
}
