import { join } from 'node:path';
import type { Pool } from 'pg';
import type { AccountStatement, AccountUsage, Earnings } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { onlineSince } from '../archive/online-since.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'earnings',
  'statement',
  'usage',
  'usage-limit',
]);

const LIFETIME_EARNINGS = namedStatement<{ amount: string }>('statements.lifetime-earnings')`
  SELECT coalesce(sum(amount), 0) AS amount FROM earnings WHERE account = ${'account'}`;

/**
 * Without names Postgres plans these for each page, by its filters. One plan for all pages would look through all
 * jobs of an account for those of a key, or for a single job.
 */
const USAGE = { ...sql.usage, name: '' };
const USAGE_LIMIT = { ...sql['usage-limit'], name: '' };
/** Most jobs that one page looks through for those of a model. */
const SEARCHED_JOBS = 5_000;
/** Sorts before the name of any job. */
const BEFORE_ANY_JOB = 'job';
const START = new Date(0);
const FOREVER = new Date(8.64e15 / 4);

const windowOf = (from: number | undefined, until: number | undefined) =>
  [
    from === undefined ? START : new Date(from),
    until === undefined ? FOREVER : new Date(until),
  ] as const;

/** Reads what accounts were charged, earned and used, in pages. */
export class StatementStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  /**
   * Returns the earnings by source within the window, and the total of all time. `account` is a
   * ledger account: a consumer's or a machine's.
   */
  async earnings(
    account: string,
    from: number | undefined,
    until: number | undefined,
  ): Promise<Earnings> {
    type Row = Record<'source' | 'jobs' | 'promptTokens' | 'completionTokens' | 'amount', string>;
    const window = windowOf(from, until);
    const rows = await query<Row>(this.#database, sql.earnings, [account, ...window]);
    const [lifetime] = await queryNamed(this.#database, LIFETIME_EARNINGS, { account });
    return {
      lifetimeMicroUsd: Number(lifetime?.amount ?? 0),
      sources: rows.map(({ source, jobs, promptTokens, completionTokens, amount }) => ({
        source,
        jobs: Number(jobs),
        promptTokens: Number(promptTokens),
        completionTokens: Number(completionTokens),
        amountMicroUsd: Number(amount),
      })),
    };
  }

  async statement(page: {
    account: string;
    from?: number;
    until?: number;
    after?: string;
    limit: number;
  }): Promise<AccountStatement> {
    const { account, from, until, after, limit } = page;
    const [at, reference] = after === undefined ? [START.toISOString(), ''] : parseCursor(after);
    const window = windowOf(from, until);
    const rows = await query<StatementRow>(this.#database, sql.statement, [
      account,
      ...window,
      at,
      reference,
      limit,
    ]);
    const last = rows.at(-1);
    return {
      lines: rows.map(asLine),
      ...(await this.#onlineSince()),
      ...(rows.length === limit && last && { next: `${last.microseconds} ${last.reference}` }),
    };
  }

  async usage(page: {
    account: string;
    job?: string;
    key?: string;
    model?: string;
    from?: number;
    until?: number;
    after?: string;
    limit: number;
  }): Promise<AccountUsage> {
    const { account, job, key, model, from, until, after, limit } = page;
    const [at, reference] = after === undefined ? ['infinity', ''] : parseCursor(after);
    const window = windowOf(from, until);
    const place = [at, reference] as const;
    const lowest =
      model === undefined
        ? undefined
        : await this.#lowest([account, key ?? null, ...window, ...place]);
    const rows = await query<UsageRow>(this.#database, USAGE, [
      account,
      key ?? null,
      model ?? null,
      lowest === undefined ? window[0] : timeOfCursor(lowest),
      window[1],
      ...place,
      job ?? null,
      limit,
    ]);
    const last = rows.at(-1);
    const next =
      rows.length === limit && last
        ? `${last.microseconds} ${last.job}`
        : lowest && `${lowest} ${BEFORE_ANY_JOB}`;
    return {
      jobs: rows.map(asUsage),
      ...(await this.#onlineSince()),
      ...(next !== undefined && { next }),
    };
  }

  /**
   * The time down to which a page looks for the jobs of a model, in microseconds: an account may have
   * millions of jobs, and none of this model. Undefined if the page sees all that are left.
   */
  async #lowest(asked: readonly (string | Date | null)[]): Promise<string | undefined> {
    const [row] = await query<{ microseconds: string }>(this.#database, USAGE_LIMIT, [
      ...asked,
      SEARCHED_JOBS,
    ]);
    return row?.microseconds;
  }

  async #onlineSince(): Promise<{ onlineSince?: number }> {
    const at = await onlineSince(this.#database);
    return at === undefined ? {} : { onlineSince: at };
  }
}

/**
 * Time and name of the last row of a page. The time is in microseconds since 1970, as in the
 * database; a Date would lose the last three digits. A name may contain spaces, because operators
 * choose the names of their credits.
 */
function parseCursor(after: string): [string, string] {
  const end = after.indexOf(' ');
  return [timeOfCursor(after.slice(0, end)), after.slice(end + 1)];
}

function timeOfCursor(microseconds: string): string {
  const toMilliseconds = new Date(Math.floor(Number(microseconds) / 1_000)).toISOString();
  const rest = microseconds.padStart(3, '0').slice(-3);
  return `${toMilliseconds.slice(0, -1)}${rest}Z`;
}

interface StatementRow {
  readonly at: Date;
  readonly microseconds: string;
  readonly kind: string;
  readonly reference: string;
  readonly amount: string;
  readonly promotional: string;
  readonly note: string | null;
  readonly model: string | null;
  readonly key: string | null;
  readonly promptTokens: string | null;
  readonly completionTokens: string | null;
}

function asLine(row: StatementRow): AccountStatement['lines'][number] {
  const { at, kind, reference, amount, promotional, note, model, key } = row;
  const { promptTokens, completionTokens } = row;
  return {
    at: at.getTime(),
    kind,
    reference,
    amountMicroUsd: Number(amount),
    ...(Number(promotional) !== 0 && { promotionalMicroUsd: Number(promotional) }),
    ...(note !== null && { note }),
    ...(model !== null && { model }),
    ...(key !== null && { key }),
    ...(promptTokens !== null && { promptTokens: Number(promptTokens) }),
    ...(completionTokens !== null && { completionTokens: Number(completionTokens) }),
  };
}

interface UsageRow {
  readonly job: string;
  readonly at: Date;
  readonly microseconds: string;
  readonly key: string;
  readonly model: string;
  readonly provider: string | null;
  readonly outcome: 'settled' | 'refunded' | 'void';
  readonly promptTokens: string;
  readonly cachedTokens: string;
  readonly completionTokens: string;
  readonly held: string;
  readonly charged: string;
  readonly ingressLost: boolean;
}

function asUsage({
  job,
  at,
  key,
  model,
  provider,
  outcome,
  promptTokens,
  cachedTokens,
  completionTokens,
  held,
  charged,
  ingressLost,
}: UsageRow): AccountUsage['jobs'][number] {
  return {
    job,
    at: at.getTime(),
    key,
    model,
    outcome,
    heldMicroUsd: Number(held),
    chargedMicroUsd: Number(charged),
    promptTokens: Number(promptTokens),
    cachedTokens: Number(cachedTokens),
    completionTokens: Number(completionTokens),
    ...(provider !== null && { provider }),
    ...(ingressLost && { ingressLost }),
  };
}
