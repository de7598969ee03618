import { join } from 'node:path';
import type { ClientBase, Pool } from 'pg';
import {
  type Evidence,
  type MachinePause,
  type Standing,
  type TrustFault,
  type TrustLevel,
  TrustMessage,
  type Verdict,
} from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { NEW_MACHINE, type TrustState } from '../core/standing.ts';

/** Stores verdicts. Evidence is stored as the message in which it arrived. */

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'pardon-removed',
  'read-machine',
  'save-verdict',
  'verdicts',
]);

const LOCK_MACHINE = namedStatement('attestation.lock-machine')`
  SELECT 1 FROM providers WHERE id = ${'provider'} FOR UPDATE`;

const SET_PROVEN = namedStatement('attestation.set-proven')`
  UPDATE providers SET proven_at = CASE WHEN ${'proven'}::boolean THEN now() END
  WHERE id = ${'provider'}`;

const DUE_MACHINES = namedStatement<{ provider: string }>('attestation.due-machines')`
  SELECT v.provider FROM verdicts v JOIN providers p ON p.id = v.provider
  WHERE v.wake_at <= ${'now'} AND p.revoked_at IS NULL ORDER BY v.wake_at LIMIT ${'limit'}`;

const MACHINES_WITH_CODE = namedStatement<{ provider: string }>('attestation.machines-with-code')`
  SELECT v.provider FROM verdicts v JOIN providers p ON p.id = v.provider
  WHERE v.code_hash = ${'codeHash'} AND v.standing = 'verified' AND p.revoked_at IS NULL`;

export interface VerdictColumns {
  readonly standing: Standing;
  readonly level: TrustLevel;
  readonly fault: TrustFault | null;
  readonly evidence: Buffer | null;
  readonly freshUntil: number;
}

interface MachineRow extends Omit<VerdictColumns, 'standing'> {
  readonly busKey: string;
  readonly proven: boolean;
  readonly pauses: readonly MachinePause[];
  readonly revision: number;
  readonly standing: Standing | null;
  readonly misses: number;
  readonly nonce: Buffer | null;
  readonly nonceAt: number;
  readonly wakeAt: number | null;
  readonly chain: readonly Buffer[] | null;
}

export interface KnownMachine {
  readonly busKey: string;
  readonly revision: number;
  readonly state: TrustState;
  /** Apple's certificates for the machine that MDM delivered, not the machine itself. */
  readonly chain: readonly Uint8Array[] | undefined;
}

/**
 * Locks the machine's state until the transaction ends. Undefined if there is no such machine, or
 * if it was removed.
 */
export async function lockMachine(
  client: ClientBase,
  provider: string,
): Promise<KnownMachine | undefined> {
  // A statement that waits for the lock still reads the other tables as they were before.
  await queryNamed(client, LOCK_MACHINE, { provider });
  const [row] = await query<MachineRow>(client, sql['read-machine'], [provider]);
  if (row === undefined) return undefined;
  const { busKey, proven, pauses, revision, standing, level, freshUntil, misses, nonceAt } = row;
  const chain = row.chain ?? undefined;
  if (standing === null)
    return { busKey, revision, state: { ...NEW_MACHINE, proven, pauses }, chain };
  const state: TrustState = {
    standing,
    level,
    proven,
    pauses,
    freshUntil,
    misses,
    nonceAt,
    fault: row.fault ?? undefined,
    evidence: decodeEvidence(row.evidence),
    nonce: row.nonce ?? undefined,
    wakeAt: row.wakeAt ?? undefined,
  };
  return { busKey, revision, state, chain };
}

/** Returns the new revision. */
export async function saveVerdict(
  client: ClientBase,
  provider: string,
  state: TrustState,
): Promise<number> {
  const { standing, level, fault, evidence, freshUntil, misses, nonce, nonceAt, wakeAt } = state;
  const kept = evidence && TrustMessage.encode({ t: 'evidence', evidence });
  const values = [
    provider,
    standing,
    level,
    fault,
    kept,
    freshUntil,
    misses,
    nonce,
    nonceAt,
    wakeAt,
    evidence?.codeHash,
  ];
  const [saved] = await query<{ revision: number }>(client, sql['save-verdict'], values);
  return saved?.revision ?? 0;
}

export const saveProven = async (
  client: ClientBase,
  provider: string,
  proven: boolean,
): Promise<void> => void (await queryNamed(client, SET_PROVEN, { provider, proven }));

const SET_PAUSES = namedStatement('trust.set-pauses')`
  UPDATE providers SET pauses = ${'pauses'} WHERE id = ${'provider'}`;
export const savePauses = async (
  client: ClientBase,
  provider: string,
  pauses: readonly MachinePause[],
): Promise<void> => void (await queryNamed(client, SET_PAUSES, { provider, pauses }));

const PAUSED_OWNERS = namedStatement<{ account: string }>('trust.paused-owners')`
  SELECT DISTINCT account FROM providers
  WHERE account IS NOT NULL AND revoked_at IS NULL AND 'owner_suspended' = ANY(pauses)`;
/** The accounts that have machines which are paused because the account is suspended. */
export async function pausedOwners(database: Pool): Promise<string[]> {
  const rows = await queryNamed(database, PAUSED_OWNERS, {});
  return rows.map(({ account }) => account);
}

const MACHINES_OF = namedStatement<{ provider: string }>('trust.machines-of-owner')`
  SELECT id AS provider FROM providers WHERE account = ${'account'} AND revoked_at IS NULL`;
export const machinesOfOwner = async (database: Pool, account: string): Promise<string[]> =>
  idsOf(await queryNamed(database, MACHINES_OF, { account }));

const idsOf = (rows: readonly { provider: string }[]): string[] =>
  rows.map(({ provider }) => provider);

/**
 * Pardons a machine that was removed. It can send no evidence, but its faults count against its
 * owner. Returns false if it was not untrusted.
 */
export const pardonRemoved = async (database: Pool, provider: string): Promise<boolean> =>
  (await query(database, sql['pardon-removed'], [provider])).length > 0;

export const dueMachines = async (database: Pool, now: number, limit: number): Promise<string[]> =>
  idsOf(await queryNamed(database, DUE_MACHINES, { now, limit }));

export const machinesWithCode = async (database: Pool, codeHash: Uint8Array): Promise<string[]> =>
  idsOf(await queryNamed(database, MACHINES_WITH_CODE, { codeHash }));

export async function readVerdicts(
  database: Pool,
  { after, limit, now }: { after: string; limit: number; now: number },
): Promise<Verdict[]> {
  const rows = await query<
    VerdictColumns & Pick<MachineRow, 'revision' | 'proven' | 'pauses'> & { provider: string }
  >(database, sql.verdicts, [after, limit]);
  return rows.map(({ provider, revision, ...row }) =>
    verdictOf({
      provider,
      revision,
      state: { ...row, fault: row.fault ?? undefined, evidence: decodeEvidence(row.evidence) },
      now,
    }),
  );
}

/** The verdict that is published about a machine. */
export function verdictOf({
  provider,
  revision,
  state: { standing, level, proven, pauses, fault, evidence, freshUntil },
  now,
}: {
  provider: string;
  revision: number;
  state: Pick<
    TrustState,
    'standing' | 'level' | 'proven' | 'pauses' | 'fault' | 'evidence' | 'freshUntil'
  >;
  now: number;
}): Verdict {
  const keys = evidence && {
    sealingKey: evidence.sealingKey,
    signingKey: evidence.signingKey,
    codeHash: evidence.codeHash,
    ...(evidence.weights && { weights: evidence.weights }),
  };
  return {
    provider,
    revision,
    standing,
    level,
    freshUntil,
    at: now,
    ...(fault && { fault }),
    ...(!proven && { probation: true }),
    ...(pauses.length > 0 && { pauses: [...pauses] }),
    ...keys,
  };
}

export function decodeEvidence(kept: Uint8Array | null): Evidence | undefined {
  if (kept === null) return undefined;
  const message = TrustMessage.decode(kept);
  return message.t === 'evidence' ? message.evidence : undefined;
}
