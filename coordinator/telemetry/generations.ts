import { join } from 'node:path';
import type { Pool } from 'pg';
import type {
  Finish,
  GenerationRecord,
  JobEnded,
  JobResult,
  NetworkStats,
  RoutedBecause,
  TrustLevel,
} from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'add-generations',
  'hours',
  'models',
  'speeds',
]);

const FORGET_GENERATIONS = namedStatement('telemetry.forget')`
  DELETE FROM generations WHERE at < now() - interval '90 days'`;

const FORGET_STATS = namedStatement('telemetry.forget-stats')`
  DELETE FROM hourly_stats WHERE hour < now() - interval '90 days'`;

const GENERATION = namedStatement<Row>('telemetry.generation')`
  SELECT job, at, key, model, build, provider, result, finish, streamed, attempts,
    delivered_tokens AS "deliveredTokens", first_content_us AS "firstContentUs",
    total_us AS "totalUs", trust_level AS "trustLevel",
    route_us AS "routeUs", hold_us AS "holdUs", routed
  FROM generations WHERE job = ${'job'} AND account = ${'account'}`;

/**
 * Stores a row for each ended job, which the account of the job can read for 90 days, and counts
 * the new rows by hour and model. Returns the jobs that had no row before.
 */
export async function addGenerations(
  database: Pool,
  ended: readonly JobEnded[],
): Promise<Set<string>> {
  const column = <T>(pick: (job: JobEnded) => T) => ended.map(pick);
  const added = await query<{ job: string }>(database, sql['add-generations'], [
    column(({ job }) => job),
    column(({ at }) => at),
    column(({ account }) => account),
    column(({ key }) => key),
    column(({ model }) => model),
    column(({ build }) => build),
    column(({ provider }) => provider ?? null),
    column(({ result }) => result),
    column(({ finish }) => finish ?? null),
    column(({ streamed }) => streamed),
    column(({ attempts }) => attempts),
    column(({ deliveredTokens }) => deliveredTokens),
    column(({ timing }) => timing.firstContentUs ?? null),
    column(({ timing }) => timing.totalUs),
    column(({ trustLevel }) => trustLevel ?? null),
    column(({ timing }) => timing.routeUs),
    column(({ timing }) => timing.holdUs),
    column(({ routed }) => (routed ? JSON.stringify(routed) : null)),
  ]);
  return new Set(added.map(({ job }) => job));
}

export async function forgetOld(database: Pool): Promise<void> {
  await queryNamed(database, FORGET_GENERATIONS, {});
  await queryNamed(database, FORGET_STATS, {});
}

/** The counts of the last 30 days until `now`, in milliseconds since 1970. */
export async function readStats(database: Pool, now: number): Promise<NetworkStats> {
  const [hours, models, speeds] = await Promise.all([
    query<NetworkStats['hours'][number]>(database, sql.hours, [now]),
    query<NetworkStats['models'][number]>(database, sql.models, [now]),
    query<SpeedsRow>(database, sql.speeds, [now]),
  ]);
  const speedsOf = new Map(speeds.map((row) => [row.model, speedsIn(row)]));
  return {
    hours,
    models: models.map((row) => {
      const lastDay = speedsOf.get(row.model);
      return { ...row, ...(lastDay && { lastDay }) };
    }),
  };
}

interface SpeedsRow {
  readonly model: string;
  readonly answers: number;
  readonly firstContentMs: readonly [p50: number, p95: number];
  readonly tokensPerSecond: readonly [p50: number, p95: number];
}

const speedsIn = ({ answers, firstContentMs, tokensPerSecond }: SpeedsRow) => ({
  answers,
  firstContentMs: { p50: firstContentMs[0], p95: firstContentMs[1] },
  tokensPerSecond: { p50: tokensPerSecond[0], p95: tokensPerSecond[1] },
});

interface Row {
  readonly job: string;
  readonly at: Date;
  readonly key: string;
  readonly model: string;
  readonly build: string;
  readonly provider: string | null;
  readonly result: JobResult;
  readonly finish: Finish | null;
  readonly streamed: boolean;
  readonly attempts: number;
  readonly deliveredTokens: string;
  readonly firstContentUs: string | null;
  readonly totalUs: string;
  readonly trustLevel: TrustLevel | null;
  readonly routeUs: string | null;
  readonly holdUs: string | null;
  readonly routed: RoutedBecause | null;
}

export async function generationOf(
  database: Pool,
  asked: { account: string; job: string },
): Promise<GenerationRecord | undefined> {
  const [row] = await queryNamed(database, GENERATION, asked);
  if (row === undefined) return undefined;
  const { at, provider, finish, deliveredTokens, firstContentUs, totalUs, trustLevel } = row;
  const { job, key, model, build, result, streamed, attempts, routeUs, holdUs, routed } = row;
  return {
    ...{ job, key, model, build, result, streamed, attempts },
    at: at.getTime(),
    deliveredTokens: Number(deliveredTokens),
    totalUs: Number(totalUs),
    ...(provider !== null && { provider }),
    ...(finish !== null && { finish }),
    ...(trustLevel !== null && { trustLevel }),
    ...(firstContentUs !== null && { firstContentUs: Number(firstContentUs) }),
    ...(routed !== null && { routed }),
    ...(routeUs !== null && { routeUs: Number(routeUs) }),
    ...(holdUs !== null && { holdUs: Number(holdUs) }),
  };
}
