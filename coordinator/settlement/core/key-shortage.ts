import type { KeyShortage, KeySpending } from '#bus-schemas';

const WINDOWS = ['day', 'week', 'month', 'total'] as const;

/** The shortest window whose cap the amount does not fit into. Undefined where it fits by now. */
export function shortageOf(
  { caps, used }: KeySpending,
  neededMicroUsd: number,
): KeyShortage | undefined {
  for (const window of WINDOWS) {
    const capMicroUsd = caps[window];
    if (capMicroUsd !== undefined && used[window] + neededMicroUsd > capMicroUsd)
      return { window, capMicroUsd, usedMicroUsd: used[window], neededMicroUsd };
  }
  return undefined;
}
