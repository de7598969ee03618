import type { Pool } from 'pg';
import {
  type Enrolled,
  events,
  MAX_OWN_MACHINES,
  mintProviderUser,
  type Standing,
  services,
  TrustEnrolled,
  type TrustFault,
  type TrustLevel,
  TrustRevoked,
  verdictEntry,
} from '#bus-schemas';
import { type Bus, type Endpoint, endpoint } from '#coordinator/bus.ts';
import { query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import type { AccountResolver } from '../account-resolver.ts';
import {
  consumeToken,
  createToken,
  ownerRecords,
  enrolmentStatements as sql,
} from './enrolment-tokens.ts';
import type { TransparencyLog } from './log/transparency-log.ts';

const OWNER = namedStatement<{ account: string | null }>('trust.owner')`
  SELECT account FROM providers WHERE id = ${'provider'}`;

const ACTIVE_PROVIDERS = namedStatement<{ id: string }>('trust.active-providers')`
  SELECT id FROM providers WHERE revoked_at IS NULL`;

const REVOKED_PROVIDERS = namedStatement<{ id: string }>('trust.revoked-providers')`
  SELECT id FROM providers WHERE revoked_at IS NOT NULL`;

export interface EnrolmentOptions {
  readonly bus: Bus;
  readonly database: Pool;
  readonly resolver: AccountResolver;
  readonly transparency: TransparencyLog;
  readonly masterSecret: Uint8Array;
  readonly leafUrls: readonly string[];
  /** Number of machines that an account may link in 24 hours. */
  readonly linksPerDay: number;
  readonly leafLifetimeMs: number;
  readonly now: () => number;
}

interface MachineRow {
  readonly provider: string;
  readonly name: string;
  readonly enrolledAt: Date;
  readonly revokedAt: Date | null;
  readonly standing: Standing | null;
  readonly level: TrustLevel | null;
  readonly fault: TrustFault | null;
  readonly publicName: string | null;
}

/** Turns one-time tokens into credentials, and revokes credentials. */
export function enrolmentEndpoints(options: EnrolmentOptions): Endpoint[] {
  const {
    bus,
    database,
    resolver,
    transparency,
    masterSecret,
    leafUrls,
    linksPerDay,
    leafLifetimeMs,
    now,
  } = options;
  return [
    endpoint(services.trust.createToken, (request) => createToken(database, request)),
    endpoint(services.trust.enrol, async (request): Promise<Enrolled> => {
      const admitted = await consumeToken(database, { ...request, masterSecret, linksPerDay });
      if (!admitted.ok) return admitted;
      // The hub is updated after the commit, so that every machine that the hub knows is in the
      // database.
      const provider = admitted.account.getPublicKey();
      await resolver.admit(provider);
      bus.emit(
        events.trustEnrolled,
        TrustEnrolled,
        { provider, at: now(), ...(admitted.owner !== null && { account: admitted.owner }) },
        `enrolled:${provider}`,
      );
      const userJwt = await mintProviderUser(
        admitted.account,
        request.userKey,
        now() + leafLifetimeMs,
      );
      return { ok: true, provider, userJwt, leafUrls: [...leafUrls] };
    }),
    endpoint(services.trust.owner, async ({ provider }) => {
      const [row] = await queryNamed(database, OWNER, { provider });
      return { ...(row?.account && { account: row.account }) };
    }),
    endpoint(services.trust.owners, async ({ account }) => ({
      owners: await ownerRecords(database, account),
    })),
    endpoint(services.trust.machines, async ({ account }) => {
      const rows = await query<MachineRow>(database, sql.machines, [account, MAX_OWN_MACHINES]);
      return {
        machines: rows.map(({ provider, name, enrolledAt, revokedAt, publicName, ...verdict }) => ({
          provider,
          name,
          enrolledAt: enrolledAt.getTime(),
          ...(publicName !== null && { publicName }),
          ...(revokedAt !== null && { revokedAt: revokedAt.getTime() }),
          ...(verdict.standing !== null && { standing: verdict.standing }),
          ...(verdict.level !== null && { level: verdict.level }),
          ...(verdict.fault !== null && { fault: verdict.fault }),
        })),
      };
    }),
    endpoint(services.trust.revoke, async ({ provider }) => {
      const revoked = await transaction(database, async (client) => {
        const [before] = await query<{ first: boolean }>(client, sql['revoke-provider'], [
          provider,
        ]);
        if (before?.first)
          await transparency.append(
            client,
            verdictEntry({ provider, standing: 'untrusted', level: 'none', signingKey: undefined }),
          );
        return before !== undefined;
      });
      if (!revoked) return { revoked: false };
      await resolver.expel([provider]);
      bus.emit(events.trustRevoked, TrustRevoked, { provider, at: now() }, `revoked:${provider}`);
      return { revoked: true };
    }),
  ];
}

/**
 * Corrects the accounts of the hub by those of the database, after a hub has lost its folder or a
 * crash between database and hub. While the signing key is being rotated, all accounts are signed
 * again.
 */
export async function reconcileAccounts(
  database: Pool,
  resolver: AccountResolver,
  { isRotating }: { readonly isRotating: boolean },
): Promise<void> {
  const known = await resolver.known();
  const active = await queryNamed(database, ACTIVE_PROVIDERS, {});
  for (const { id } of active) if (isRotating || !known.has(id)) await resolver.admit(id);
  const revoked = await queryNamed(database, REVOKED_PROVIDERS, {});
  const stillThere = revoked.filter(({ id }) => known.has(id)).map(({ id }) => id);
  if (stillThere.length > 0) await resolver.expel(stillThere);
}
