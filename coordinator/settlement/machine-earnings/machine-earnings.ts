import { join } from 'node:path';
import type { Pool } from 'pg';
import {
  MAX_EARNING_DAYS,
  MAX_EARNING_JOBS,
  MAX_EARNING_ROWS,
  type MachineEarnings,
} from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), ['days', 'jobs']);
const DAY_MS = 86_400_000;

interface Row {
  readonly model: string;
  readonly promptTokens: string;
  readonly completionTokens: string;
  readonly amount: string;
}

/** Reads what one machine earned in the last days, by day and model, and its last jobs. */
export async function machineEarnings(
  database: Pool,
  { provider, now }: { provider: string; now: number },
): Promise<MachineEarnings> {
  const midnight = now - (now % DAY_MS);
  const from = new Date(midnight - (MAX_EARNING_DAYS - 1) * DAY_MS);
  const [days, jobs] = await Promise.all([
    query<Row & { day: string; jobs: string }>(database, sql.days, [
      provider,
      from,
      MAX_EARNING_ROWS,
    ]),
    query<Row & { job: string; at: Date }>(database, sql.jobs, [provider, from, MAX_EARNING_JOBS]),
  ]);
  return {
    days: days.map(({ day, jobs: count, ...row }) => ({
      day,
      jobs: Number(count),
      ...sumsOf(row),
    })),
    jobs: jobs.map(({ job, at, ...row }) => ({ job, at: at.getTime(), ...sumsOf(row) })),
  };
}

const sumsOf = ({ model, promptTokens, completionTokens, amount }: Row) => ({
  model,
  promptTokens: Number(promptTokens),
  completionTokens: Number(completionTokens),
  amountMicroUsd: Number(amount),
});
