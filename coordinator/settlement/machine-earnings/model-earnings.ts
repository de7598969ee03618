import type { Pool, QueryResultRow } from 'pg';
import { type ModelEarnings, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { comparableEarnings, type MachineShare } from './comparable-earnings.ts';

/** Keys of machines are random, so the first rows are a fair sample of a fleet. */
const BY_MACHINE = namedStatement<MachineShare & QueryResultRow>('machine-earnings.by-machine')`
  SELECT model, provider, payee AS owner, sum(provider_share)::float8 AS amount FROM charges
  WHERE provider_share > 0 AND at >= ${'since'} GROUP BY provider, model, payee
  ORDER BY provider, model LIMIT ${'most'}`;
const WEEK_MS = 7 * 86_400_000;
/** Rows of machine and model; the statement selects a sample of larger fleets. */
const MOST_SHARES = 20_000;
const CHIPS_TIMEOUT_MS = 4_000;
const { MAX_RECORDS } = services;

/** Reads what machines earned from each model within the last seven days, settled jobs only. */
export async function modelEarnings({
  database,
  bus,
  now,
}: {
  database: Pool;
  bus: Bus;
  now: number;
}): Promise<{ since: number; rows: ModelEarnings[] }> {
  const since = now - WEEK_MS;
  const shares = await queryNamed(database, BY_MACHINE, {
    since: new Date(since),
    most: MOST_SHARES,
  });
  const providers = [...new Set(shares.map(({ provider }) => provider))];
  return { since, rows: comparableEarnings(shares, await chipsOf(bus, providers)) };
}

/** The callers keep the answer for minutes, so it fails if routing does not tell the chips. */
async function chipsOf(bus: Bus, providers: readonly string[]): Promise<Map<string, string>> {
  const chips = new Map<string, string>();
  for (let from = 0; from < providers.length; from += MAX_RECORDS) {
    const { records } = await bus.call(
      services.routing.records,
      { providers: providers.slice(from, from + MAX_RECORDS) },
      { timeoutMs: CHIPS_TIMEOUT_MS },
    );
    for (const { provider, lifetime } of records)
      if (lifetime?.chip !== undefined) chips.set(provider, lifetime.chip);
  }
  return chips;
}
