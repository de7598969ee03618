import type { Pool } from 'pg';
import {
  type ConsoleSession,
  events,
  MAX_CONSOLE_SESSIONS,
  newConsoleSessionId,
  type RateLimits,
  SessionEnded,
} from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { query, type Statement } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { limitsIn } from '../limits/limit-columns.ts';

/** A session ends when it was not used for this time, in milliseconds. */
export const IDLE_MS = 12 * 3_600_000;
/** A session ends this long after its start, even if it is used, in milliseconds. */
export const LONGEST_MS = 7 * 24 * 3_600_000;

/** One statement, so that each session has its row in the audit log, and a repeated call has none. */
const ADD = namedStatement('sessions.add')`
  WITH added AS (
    INSERT INTO console_sessions
      (id, hash, account, user_id, created_at, used_at, expires_at, ends_at, user_agent, address)
    SELECT ${'id'}, ${'hash'}, a.id, ${'user'}, ${'now'}, ${'now'}, ${'expiresAt'}, ${'endsAt'},
      ${'userAgent'}, ${'address'}
    FROM accounts a WHERE a.id = ${'account'}
    ON CONFLICT (hash) DO NOTHING RETURNING id, account
  )
  INSERT INTO audit_log (id, operator, action, subject, detail, outcome)
  SELECT 'sign-in:' || id, account, 'sign-in', id, ${'detail'}, 'done' FROM added`;

/** Ends all sessions of an account but the most recently used ones. */
const END_OLDEST = namedStatement<{ id: string }>('sessions.end-oldest')`
  DELETE FROM console_sessions WHERE id IN (
    SELECT id FROM console_sessions WHERE account = ${'account'}
    ORDER BY used_at DESC, id OFFSET ${'kept'}::int)
  RETURNING id`;

const USE: Statement = {
  name: 'sessions.use',
  text: `UPDATE console_sessions s SET used_at = $2, expires_at = least(s.ends_at, $3)
FROM accounts a WHERE s.hash = $1 AND s.expires_at > $2 AND a.id = s.account
RETURNING s.id AS session, s.account, s.user_id AS user, a.name, s.expires_at AS "expiresAt", s.ends_at AS "endsAt",
  (SELECT u.email FROM users u WHERE u.id = s.user_id) AS email,
  a.suspended_at IS NOT NULL AS "isSuspended", ${limitsIn('a')} AS "accountLimits"`,
};

const END = namedStatement<{ id: string }>('sessions.end')`
  DELETE FROM console_sessions
  WHERE account = ${'account'} AND (${'session'}::text IS NULL OR id = ${'session'})
  RETURNING id`;

const LIST = namedStatement<ListedRow>('sessions.list')`
  SELECT id AS session, created_at AS "createdAt", used_at AS "usedAt", expires_at AS "expiresAt",
    user_agent AS "userAgent", address
  FROM console_sessions WHERE account = ${'account'} AND expires_at > ${'now'}
  ORDER BY used_at DESC, id LIMIT 1000`;

const DELETE_OLD = namedStatement('sessions.delete-old')`
  DELETE FROM console_sessions WHERE expires_at < ${'now'}`;

interface UsedRow {
  readonly session: string;
  readonly account: string;
  readonly user: string | null;
  readonly name: string;
  readonly email: string | null;
  readonly expiresAt: Date;
  readonly endsAt: Date;
  readonly isSuspended: boolean;
  readonly accountLimits: RateLimits;
}

interface ListedRow {
  readonly session: string;
  readonly createdAt: Date;
  readonly usedAt: Date;
  readonly expiresAt: Date;
  readonly userAgent: string;
  readonly address: string;
}

export interface NewSession {
  readonly sessionHash: Uint8Array;
  readonly account: string;
  readonly user: string | null;
  readonly userAgent: string;
  readonly address: string;
  /** What proved who the person is: a link, the issuer, or their approval of a program's code. */
  readonly by: 'link' | 'issuer' | 'code';
}

interface ConsoleSessionsOptions {
  readonly bus: Pick<Bus, 'emit'>;
  readonly database: Pool;
  readonly now: () => number;
}

/**
 * Sessions of people in the console. A session is found by the digest of its cookie, slides with
 * each use, and ends at the latest after `LONGEST_MS`. The end of a session by its owner is
 * published after it is stored, so that an ingress that asks again gets the new state.
 */
export class ConsoleSessions {
  readonly #options: ConsoleSessionsOptions;

  constructor(options: ConsoleSessionsOptions) {
    this.#options = options;
  }

  /** May be repeated with the same hash if the reply was lost. */
  async start({ sessionHash, account, user, userAgent, address, by }: NewSession) {
    const { database, now } = this.#options;
    const at = now();
    await queryNamed(database, ADD, {
      id: newConsoleSessionId(),
      hash: Buffer.from(sessionHash),
      account,
      user,
      now: new Date(at),
      expiresAt: new Date(at + IDLE_MS),
      endsAt: new Date(at + LONGEST_MS),
      userAgent,
      address,
      detail: JSON.stringify({ by, user_agent: userAgent, address }),
    });
    const kept = MAX_CONSOLE_SESSIONS;
    this.#ended(account, await queryNamed(database, END_OLDEST, { account, kept }));
    return this.authenticate(sessionHash);
  }

  /** Returns the session with this digest and renews it. */
  async authenticate(sessionHash: Uint8Array) {
    const at = this.#options.now();
    const [row] = await query<UsedRow>(this.#options.database, USE, [
      Buffer.from(sessionHash),
      new Date(at),
      new Date(at + IDLE_MS),
    ]);
    if (row === undefined) return { ok: false as const, code: 'unknown' as const };
    if (row.isSuspended) return { ok: false as const, code: 'suspended' as const };
    return { ok: true as const, session: sessionOf(row) };
  }

  /** Ends one session of the account, or all of them. Returns the ids of those that existed. */
  async end(account: string, session: string | undefined): Promise<string[]> {
    const ended = await queryNamed(this.#options.database, END, {
      account,
      session: session ?? null,
    });
    return this.#ended(account, ended);
  }

  async list(account: string) {
    const now = new Date(this.#options.now());
    const rows = await queryNamed(this.#options.database, LIST, { account, now });
    return rows.map(({ createdAt, usedAt, expiresAt, ...row }) => ({
      ...row,
      createdAt: createdAt.getTime(),
      usedAt: usedAt.getTime(),
      expiresAt: expiresAt.getTime(),
    }));
  }

  async deleteOld(): Promise<void> {
    await queryNamed(this.#options.database, DELETE_OLD, { now: new Date(this.#options.now()) });
  }

  #ended(account: string, rows: readonly { readonly id: string }[]): string[] {
    const at = this.#options.now();
    const ids = rows.map(({ id }) => id);
    for (const session of ids)
      this.#options.bus.emit(
        events.accountsSessionEnded,
        SessionEnded,
        { account, session, at },
        `session-ended:${session}`,
      );
    return ids;
  }
}

function sessionOf({
  session,
  account,
  user,
  name,
  email,
  expiresAt,
  endsAt,
  accountLimits,
}: UsedRow): ConsoleSession {
  return {
    session,
    account,
    name,
    expiresAt: expiresAt.getTime(),
    endsAt: endsAt.getTime(),
    ...(user !== null && { user }),
    ...(email !== null && { email }),
    ...(Object.keys(accountLimits).length > 0 && { accountLimits }),
  };
}
