import { type KeyShortage, type KeySpending, SPENDING_WINDOWS } from '#bus-schemas';

/**
 * Returns the shortest window whose cap the amount would exceed. Returns undefined when the amount
 * fits into every cap by now, because the key's spending fell after the refusal.
 */
export function shortageOf(
  { caps, used }: KeySpending,
  neededMicroUsd: number,
): KeyShortage | undefined {
  for (const window of SPENDING_WINDOWS) {
    const capMicroUsd = caps[window];
    if (capMicroUsd !== undefined && used[window] + neededMicroUsd > capMicroUsd)
      return { window, capMicroUsd, usedMicroUsd: used[window], neededMicroUsd };
  }
  return undefined;
}
