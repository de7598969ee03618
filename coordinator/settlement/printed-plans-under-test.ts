import type { Pool } from 'pg';

/** Settings with which Postgres sends its client the plan of each statement, also of those in functions. */
export const PRINTED_PLANS = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_level': 'notice',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_analyze': 'on',
};

/** Collects the plans of the statements that new connections of the pool run from now on. */
export function collectPlans(database: Pool): string[] {
  const plans: string[] = [];
  database.on('connect', (client) => {
    client.on('notice', ({ message = '' }) => plans.push(message));
  });
  return plans;
}

/** The most rows that one step of these plans read in vain. */
export function mostRemoved(plans: readonly string[]): number {
  const removed = plans.flatMap((plan) =>
    [...plan.matchAll(/Rows Removed by (?:Join )?Filter: (\d+)/g)].map(([, rows]) => Number(rows)),
  );
  return Math.max(0, ...removed);
}
