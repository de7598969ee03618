import type { KeyShortage, KeySpending } from '#bus-schemas';

const WINDOWS = ['day', 'week', 'month', 'total'] as const;

/**
 * Returns the shortest window whose cap the amount would exceed. Returns undefined when the amount
 * fits into every cap by now, because the key's spending fell after the refusal.
 */
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
