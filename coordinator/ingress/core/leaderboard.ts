import { shownVolume } from './public-stats.ts';

/** Machines that the public leaderboard lists. */
export const LISTED = 100;

export interface Ranked {
  readonly name: string;
  readonly requests: number;
  readonly tokens: number;
}

/**
 * Ranks machines by their exact tokens, and shows rounded ones. A machine with few requests is left
 * out, because its figures would be those of a single customer.
 */
export function leaderboard(
  named: readonly { readonly provider: string; readonly name: string }[],
  served: readonly { readonly provider: string; readonly jobs: number; readonly tokens: number }[],
): Ranked[] {
  const servedBy = new Map(served.map((row) => [row.provider, row]));
  return named
    .map(({ provider, name }) => {
      const { jobs = 0, tokens = 0 } = servedBy.get(provider) ?? {};
      return { name, tokens, shown: shownVolume({ requests: jobs, tokens }) };
    })
    .filter(({ shown }) => shown.tokens > 0)
    .toSorted((one, other) => other.tokens - one.tokens || (one.name < other.name ? -1 : 1))
    .slice(0, LISTED)
    .map(({ name, shown }) => ({ name, ...shown }));
}
