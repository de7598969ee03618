import type { Pool } from 'pg';
import type { Evidence, Standing, TrustLevel } from '#bus-schemas';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { decodeEvidence, type VerdictColumns } from './verdict-store.ts';

/** Reads the evidence that machines have shown, for those who rely on it. */

export interface Attested {
  readonly level: TrustLevel;
  readonly freshUntil: number;
  readonly evidence: Evidence;
}
type AttestedRow = Pick<VerdictColumns, 'level' | 'evidence' | 'freshUntil'>;

const VERIFIED = namedStatement<AttestedRow>('attestation.verified')`
  SELECT v.provider, v.level, v.evidence, v.fresh_until::float8 AS "freshUntil"
  FROM verdicts v JOIN providers p ON p.id = v.provider
  WHERE p.revoked_at IS NULL AND v.standing = 'verified' AND v.fresh_until > ${'now'}
    AND v.provider > ${'after'}
  ORDER BY v.provider LIMIT ${'limit'}`;

const VERIFIED_MACHINE = namedStatement<AttestedRow>('attestation.verified-machine')`
  SELECT v.level, v.evidence, v.fresh_until::float8 AS "freshUntil"
  FROM verdicts v JOIN providers p ON p.id = v.provider
  WHERE p.revoked_at IS NULL AND v.standing = 'verified' AND v.fresh_until > ${'now'}
    AND v.provider = ${'provider'}`;

const STANDINGS = namedStatement<{ standing: Standing; machines: number }>('attestation.standings')`
  SELECT coalesce(v.standing, 'pending') AS standing, count(*)::float8 AS machines
  FROM providers p LEFT JOIN verdicts v ON v.provider = p.id
  WHERE p.revoked_at IS NULL
  GROUP BY 1`;

const SHOWN_EVIDENCE = namedStatement<Pick<VerdictColumns, 'evidence'>>(
  'attestation.shown-evidence',
)`
  SELECT evidence FROM verdicts WHERE provider = ${'provider'}`;

export async function readVerified(
  database: Pool,
  { after, limit, now }: { after: string; limit: number; now: number },
): Promise<Attested[]> {
  return (await queryNamed(database, VERIFIED, { now, after, limit })).flatMap(attestedIn);
}

export async function readVerifiedMachine(
  database: Pool,
  provider: string,
  now: number,
): Promise<Attested | undefined> {
  return (await queryNamed(database, VERIFIED_MACHINE, { now, provider })).flatMap(attestedIn)[0];
}

/** The number of machines of each standing. */
export function countStandings(
  database: Pool,
): Promise<{ standing: Standing; machines: number }[]> {
  return queryNamed(database, STANDINGS, {});
}

export async function readSigningKey(
  database: Pool,
  provider: string,
): Promise<Uint8Array | undefined> {
  const [row] = await queryNamed(database, SHOWN_EVIDENCE, { provider });
  return row && decodeEvidence(row.evidence)?.signingKey;
}

function attestedIn({ level, freshUntil, evidence: kept }: AttestedRow): Attested[] {
  const evidence = decodeEvidence(kept);
  return evidence === undefined ? [] : [{ level, freshUntil, evidence }];
}
