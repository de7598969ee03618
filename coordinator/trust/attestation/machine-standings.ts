import type { Pool } from 'pg';
import type { MachineStanding, TrustLevel } from '#bus-schemas';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

interface Row {
  readonly provider: string;
  readonly account: string | null;
  readonly linkedAt: Date;
  readonly level: TrustLevel;
  readonly isExcluded: boolean;
  readonly sharesComputer: boolean;
}

/**
 * One computer can be linked under several names, to collect a reward for each. The machine that
 * was linked first is the only one that does not share it.
 */
const STANDINGS = namedStatement<Row & Record<string, unknown>>('trust.standings')`
  SELECT p.id AS provider, p.account, p.enrolled_at AS "linkedAt",
    CASE WHEN v.standing = 'verified' THEN v.level ELSE 'none' END AS level,
    p.revoked_at IS NOT NULL OR 'owner_suspended' = ANY(p.pauses)
      OR v.standing IS NOT DISTINCT FROM 'untrusted' AS "isExcluded",
    EXISTS (
      SELECT FROM provider_devices own
      JOIN provider_devices other ON other.serial = own.serial AND other.provider <> own.provider
      JOIN providers first ON first.id = other.provider
      WHERE own.provider = p.id AND first.revoked_at IS NULL
        AND (first.enrolled_at, first.id) < (p.enrolled_at, p.id)
    ) AS "sharesComputer"
  FROM providers p LEFT JOIN verdicts v ON v.provider = p.id
  WHERE p.id = ANY(${'providers'})`;

/** Reads owner, age and trust of these machines. */
export async function readStandings(
  database: Pool,
  providers: readonly string[],
): Promise<MachineStanding[]> {
  const rows = await queryNamed(database, STANDINGS, { providers });
  return rows.map(({ provider, account, linkedAt, level, isExcluded, sharesComputer }) => ({
    provider,
    linkedAt: linkedAt.getTime(),
    level,
    isExcluded,
    sharesComputer,
    ...(account !== null && { account }),
  }));
}
