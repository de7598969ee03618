import type { Pool } from 'pg';
import { connectDatabase } from '#coordinator';
import { startTestDatabase, type TestDatabase } from '#testcontainers';

/** Postgres sends its client the plan of each statement, also of those in functions. */
const PRINTED_PLANS = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_level': 'notice',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_analyze': 'on',
};

export interface PlannedDatabase extends AsyncDisposable {
  readonly postgres: TestDatabase;
  /** One connection. */
  readonly database: Pool;
  /** The plans of the statements that it has run. */
  readonly plans: string[];
}

export async function startPlannedDatabase(): Promise<PlannedDatabase> {
  const postgres = await startTestDatabase({ settings: PRINTED_PLANS });
  const database = connectDatabase(postgres.databaseUrl, { max: 1 });
  // The server may stop before the pool has closed its connection.
  database.on('error', () => undefined);
  const plans: string[] = [];
  database.on('connect', (client) => {
    client.on('notice', ({ message = '' }) => plans.push(message));
  });
  return {
    postgres,
    database,
    plans,
    [Symbol.asyncDispose]: async () => {
      await database.end();
      await postgres.stop();
    },
  };
}

/** The most rows that one step of these plans read in vain. */
export function mostRemoved(plans: readonly string[]): number {
  const removed = plans.flatMap((plan) =>
    [...plan.matchAll(/Rows Removed by (?:Join )?Filter: (\d+)/g)].map(([, rows]) => Number(rows)),
  );
  return Math.max(0, ...removed);
}
