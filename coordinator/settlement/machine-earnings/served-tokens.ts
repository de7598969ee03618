import type { Pool } from 'pg';
import { SERVED_DAYS } from '#bus-schemas';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const DAY_MS = 86_400_000;

interface Served {
  readonly provider: string;
  readonly jobs: number;
  readonly tokens: number;
}

const SERVED = namedStatement<{ provider: string; jobs: string; tokens: string }>(
  'machine-earnings.served-tokens',
)`
  SELECT provider, count(*) AS jobs, coalesce(sum(completion_tokens), 0) AS tokens FROM charges
  WHERE provider = ANY(${'providers'}) AND provider_share > 0 AND at >= ${'since'}
  GROUP BY provider`;

/**
 * Reads how many answer tokens machines delivered in jobs that were paid. Jobs of the owner of a
 * machine are free and do not count, so an owner cannot raise its rank without paying the fee.
 */
export async function servedTokens(
  database: Pool,
  { providers, now }: { readonly providers: readonly string[]; readonly now: number },
): Promise<Served[]> {
  if (providers.length === 0) return [];
  const since = new Date(now - SERVED_DAYS * DAY_MS);
  const rows = await queryNamed(database, SERVED, { providers, since });
  return rows.map(({ provider, jobs, tokens }) => ({
    provider,
    jobs: Number(jobs),
    tokens: Number(tokens),
  }));
}
