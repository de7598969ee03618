import type { NetworkStats } from '#bus-schemas';

/**
 * Fewer requests than this in an hour, a day or 30 days are not shown. Otherwise the volume of a
 * single customer of a quiet model could be read.
 */
const FEWEST_REQUESTS = 10;
const DIGITS = 2;

interface Volume {
  readonly requests: number;
  readonly tokens: number;
}

interface PublicModel extends Volume {
  readonly model: string;
  readonly last30Days: Volume;
  readonly tokensPerSecond: number;
  readonly lastDay: PublicSpeeds | undefined;
}

/** The median, and the value that 95 % of the answers are not worse than. */
interface Spread {
  readonly p50: number;
  readonly p95: number;
}

interface PublicSpeeds {
  readonly firstContentMs: Spread;
  readonly tokensPerSecond: Spread;
}

export interface PublicStats {
  readonly hours: readonly (Volume & { readonly at: number })[];
  readonly last24Hours: Volume;
  readonly last30Days: Volume;
  readonly models: readonly PublicModel[];
}

const DAY_MS = 86_400_000;

/**
 * Reduces exact counts to those that everyone may see: counts are rounded to two digits, so that two
 * calls do not show a single request, small counts are 0, and models outside the catalog are left
 * out: they are builds that only their owner calls.
 */
export function publicStats(
  { hours, models }: NetworkStats,
  { now, inCatalog }: { now: number; inCatalog: ReadonlySet<string> },
): PublicStats {
  const total = (rows: readonly Volume[]) =>
    shownVolume({
      requests: rows.reduce((sum, { requests }) => sum + requests, 0),
      tokens: rows.reduce((sum, { tokens }) => sum + tokens, 0),
    });
  return {
    hours: hours.map((hour) => ({ at: hour.at, ...shownVolume(hour) })),
    last24Hours: total(hours.filter(({ at }) => at > now - DAY_MS)),
    last30Days: total(hours),
    models: models
      .filter(({ model, monthRequests }) => inCatalog.has(model) && isShown(monthRequests))
      .map((row) => ({
        model: row.model,
        ...shownVolume({ requests: row.dayRequests, tokens: row.dayTokens }),
        last30Days: shownVolume({ requests: row.monthRequests, tokens: row.monthTokens }),
        tokensPerSecond: rounded(row.tokensPerSecond),
        lastDay: publicSpeeds(row.lastDay),
      })),
  };
}

/** Speeds of fewer answers than are shown would describe the requests of a single customer. */
function publicSpeeds(
  lastDay: NetworkStats['models'][number]['lastDay'],
): PublicSpeeds | undefined {
  if (lastDay === undefined || !isShown(lastDay.answers)) return undefined;
  const { firstContentMs, tokensPerSecond } = lastDay;
  const shownSpread = ({ p50, p95 }: Spread) => ({ p50: rounded(p50), p95: rounded(p95) });
  return {
    firstContentMs: shownSpread(firstContentMs),
    tokensPerSecond: shownSpread(tokensPerSecond),
  };
}

const isShown = (requests: number) => requests >= FEWEST_REQUESTS;

/** What everyone may see of a number of requests and their tokens. */
export const shownVolume = ({ requests, tokens }: Volume): Volume =>
  isShown(requests)
    ? { requests: rounded(requests), tokens: rounded(tokens) }
    : { requests: 0, tokens: 0 };

const rounded = (value: number): number => Number(value.toPrecision(DIGITS));
