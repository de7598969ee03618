import type { ClientBase, Pool } from 'pg';
import { MAX_PUBLIC_NAMES, MAX_PUBLIC_NAMES_OF_ACCOUNT, type NameShown } from '#bus-schemas';
import { transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { isReserved, nameShape } from '../core/public-name.ts';

/** Serialises the changes of names, so that counts and shapes cannot change between two statements. */
const LOCK = namedStatement('trust.lock-names')`
  SELECT pg_advisory_xact_lock(hashtextextended('public-names', 130))`;

const OWN = namedStatement<{ withdrawn: boolean }>('trust.own-name')`
  SELECT EXISTS (SELECT FROM providers o WHERE o.account = p.account AND o.name_withdrawn) AS withdrawn
  FROM providers p WHERE id = ${'provider'} AND account = ${'account'} AND revoked_at IS NULL`;

const HOLDER = namedStatement<{ id: string; isFree: boolean }>('trust.holder-of-name')`
  SELECT id, NOT name_withdrawn AND (coalesce(revoked_at < now() - interval '30 days', false)
    OR (account = ${'account'} AND (public_name IS NULL OR revoked_at IS NOT NULL))) AS "isFree"
  FROM providers WHERE name_shape = ${'shape'} AND id <> ${'provider'}`;

const RELEASE = namedStatement('trust.release-name')`
  UPDATE providers SET public_name = NULL, name_shape = NULL WHERE id = ${'provider'}`;

const COUNT = namedStatement<{ all: number; own: number }>('trust.count-names')`
  SELECT count(*)::int AS all, count(*) FILTER (WHERE account = ${'account'})::int AS own
  FROM providers WHERE public_name IS NOT NULL AND revoked_at IS NULL AND id <> ${'provider'}`;

const SHOW = namedStatement('trust.show-name')`
  UPDATE providers SET public_name = ${'name'}, name_shape = ${'shape'} WHERE id = ${'provider'}`;

const HIDE = namedStatement<{ id: string }>('trust.hide-name')`
  UPDATE providers SET public_name = NULL WHERE id = ${'provider'} AND account = ${'account'}
  RETURNING id`;

const NAMES = namedStatement<{ provider: string; name: string }>('trust.public-names')`
  SELECT p.id AS provider, public_name AS name FROM providers p
  LEFT JOIN verdicts v ON v.provider = p.id
  WHERE public_name IS NOT NULL AND revoked_at IS NULL AND v.standing IS DISTINCT FROM 'untrusted'
  ORDER BY enrolled_at, id LIMIT ${'most'}`;

const WITHDRAW = namedStatement<{ provider: string }>('trust.withdraw-name')`
  UPDATE providers SET public_name = NULL, name_withdrawn = true
  WHERE name_shape = ${'shape'} RETURNING id AS provider`;

const WITHDRAWN = namedStatement<{ provider: string; shape: string }>('trust.withdrawn-names')`
  SELECT id AS provider, coalesce(name_shape, '') AS shape FROM providers
  WHERE name_withdrawn ORDER BY enrolled_at DESC, id LIMIT ${'most'}`;

const ALLOW = namedStatement<{ id: string }>('trust.allow-name')`
  UPDATE providers SET name_withdrawn = false WHERE id = ${'provider'} RETURNING id`;

interface OwnMachine {
  readonly provider: string;
  readonly account: string;
}

/**
 * Gives a machine its public name, and shows it from now on. A name whose shape another machine has
 * is refused, also while that machine hides it; it becomes free 30 days after that machine was
 * removed. Machines of one account may hand over names that are not shown.
 */
export async function showName(
  database: Pool,
  { provider, account, name }: OwnMachine & { readonly name: string },
): Promise<NameShown> {
  if (isReserved(name)) return { ok: false, code: 'reserved' };
  const shape = nameShape(name);
  return transaction(database, async (client): Promise<NameShown> => {
    await queryNamed(client, LOCK, {});
    const code = await refusalOf(client, { provider, account, shape });
    if (code !== undefined) return { ok: false, code };
    await queryNamed(client, SHOW, { provider, name, shape });
    return { ok: true };
  });
}

/** Why the machine cannot have a name of this shape. A machine that lets go of it is asked first. */
async function refusalOf(
  client: ClientBase,
  { provider, account, shape }: OwnMachine & { readonly shape: string },
): Promise<Extract<NameShown, { ok: false }>['code'] | undefined> {
  const [own] = await queryNamed(client, OWN, { provider, account });
  if (own === undefined) return 'unknown_machine';
  if (own.withdrawn) return 'withdrawn';
  const [count] = await queryNamed(client, COUNT, { provider, account });
  if (count !== undefined && count.own >= MAX_PUBLIC_NAMES_OF_ACCOUNT) return 'too_many';
  if (count !== undefined && count.all >= MAX_PUBLIC_NAMES) return 'full';
  const [holder] = await queryNamed(client, HOLDER, { provider, account, shape });
  if (holder?.isFree === false) return 'taken';
  if (holder !== undefined) await queryNamed(client, RELEASE, { provider: holder.id });
  return undefined;
}

/** Removes the machine from the leaderboard. Returns false if the account has no such machine. */
export async function hideName(database: Pool, machine: OwnMachine): Promise<boolean> {
  return (await queryNamed(database, HIDE, { ...machine })).length > 0;
}

/** The machines that show a name now; machines that were removed or are not trusted do not. */
export const publicNames = (database: Pool): Promise<{ provider: string; name: string }[]> =>
  queryNamed(database, NAMES, { most: MAX_PUBLIC_NAMES });

/**
 * Takes a name off the leaderboard for an operator. No machine can have it again, and the account
 * of its machine can take no other one until the operator allows it.
 */
export async function withdrawName(database: Pool, name: string): Promise<string | undefined> {
  const [row] = await queryNamed(database, WITHDRAW, { shape: nameShape(name) });
  return row?.provider;
}

/** The machines whose names an operator has withdrawn and not allowed again; the newest comes first. */
export const withdrawnNames = (database: Pool): Promise<{ provider: string; shape: string }[]> =>
  queryNamed(database, WITHDRAWN, { most: MAX_PUBLIC_NAMES });

/** Ends the withdrawal. Returns false if there is no such machine. */
export async function allowName(database: Pool, provider: string): Promise<boolean> {
  return (await queryNamed(database, ALLOW, { provider })).length > 0;
}
