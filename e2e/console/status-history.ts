import { Client } from 'pg';
import type { TestNetwork } from '../test-network.ts';

/** Checks of 28 days, of which one was bad and two were almost perfect. */
export async function addHistory({ network }: TestNetwork): Promise<void> {
  const client = new Client({ connectionString: network.databaseUrl });
  await client.connect();
  try {
    await client.query(`
      INSERT INTO daily_availability (day, model, checks, served)
      SELECT (now() AT TIME ZONE 'UTC')::date - d, m.id, 1440,
        CASE WHEN d = 9 THEN 1200 WHEN d IN (4, 17) THEN 1420 ELSE 1440 END
      FROM generate_series(0, 28) AS d, catalog_models AS m
      WHERE d <> 12
      ON CONFLICT DO NOTHING`);
  } finally {
    await client.end();
  }
}
