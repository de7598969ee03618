import type { ClientBase, Pool } from 'pg';
import type { Usage } from '#bus-schemas';
import type { Price } from '#coordinator/job-cost.ts';
import { query, transaction } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';
import { onlineSince } from '../archive/online-since.ts';
import type { Charge, Terms } from '../core/charge.ts';
import { column, numbered, packed, pluck } from '../database-work.ts';
import { type Numeric, jobStatements as sql } from './job-statements.ts';
import { ReceiptStore } from './receipt-store.ts';

const HOLD = namedStatement<{ results: HoldResult['result'][] | null; helds: string[] | null }>(
  'jobs.hold',
)`
  SELECT results, helds
  FROM ledger_hold(${'accounts'}, ${'keys'}, ${'jobs'}, ${'accountPlaces'}, ${'keyPlaces'},
    ${'models'}, ${'providers'}, ${'payees'}, ${'priceVersions'}, ${'promptBounds'},
    ${'outputBounds'}, ${'held'}, ${'feeBps'}, ${'minimums'}, ${'referrers'}, ${'digestBytes'},
    ${'digestEnds'}, ${'areVoid'},
    (SELECT array_agg(now() + l.life * interval '1 millisecond' ORDER BY l.place)
     FROM unnest(${'lives'}::float8[]) WITH ORDINALITY AS l (life, place)),
    ${'durable'})`;

const TOP_UP = namedStatement<{ result: TopUpResult['result']; held: string | null }>(
  'jobs.top-up',
)`
  SELECT result, held
  FROM ledger_top_up(${'job'}, ${'provider'}, ${'payee'}, ${'priceVersion'}, ${'held'})`;

const END = namedStatement<{ ended: string[] }>('jobs.end')`
  SELECT ledger_end(${'jobs'}, ${'revisions'}, ${'outcomes'}, ${'providers'}, ${'payees'},
    ${'promptTokens'}, ${'cachedTokens'}, ${'completionTokens'}, ${'charged'}, ${'providerShares'},
    ${'fees'}, ${'referrals'}, ${'digestBytes'}, ${'digestEnds'}, ${'factBytes'},
    ${'factEnds'}) AS ended`;

/** A job whose money is set aside, with the price and the terms that apply to it. */
export interface HeldJob {
  readonly job: string;
  readonly account: string;
  readonly key: string;
  readonly model: string;
  /** The job was ordered from these providers, in this order. */
  readonly providers: readonly string[];
  /** The ledger account that earns for the last provider; null while there is no provider. */
  readonly payee: string | null;
  readonly priceVersion: string;
  readonly price: Price;
  readonly terms: Terms;
  readonly promptBound: number;
  readonly outputBound: number;
  readonly held: number;
  readonly revision: number;
  /**
   * True when the row only records an end without a charge, so that a hold that arrives later is
   * refused.
   */
  readonly isVoid: boolean;
}

export interface NewHold extends HeldJob {
  readonly digest: Buffer;
  /**
   * Time until the hold ends by itself, in milliseconds. The database, whose clock ends it, also
   * counts from its own clock: otherwise an ingress whose clock is behind would set money aside that
   * is refunded while the answer runs.
   */
  readonly lifeMs: number;
}

export interface HoldResult {
  readonly result:
    | 'held'
    | 'insufficient_funds'
    | 'key_limit'
    | 'account_limit'
    | 'unknown_account'
    | 'operation_conflict'
    | 'ended';
  readonly held: number;
}

export interface TopUpResult {
  readonly result: 'held' | 'insufficient_funds' | 'key_limit' | 'account_limit' | 'unknown_job';
  readonly held: number;
}

/** A job that ended, with the digest of the end that an ingress reported; null for other ends. */
export interface EndedJob {
  readonly job: string;
  readonly digest: Buffer | null;
}

export interface JobCharge extends Charge {
  readonly job: string;
  readonly revision: number;
  readonly outcome: 'settled' | 'refunded' | 'void';
  readonly provider: string | null;
  readonly payee: string | null;
  readonly digest: Buffer | null;
  /** The encoded SettlementSettled message for the outbox; null for a void job. */
  readonly fact: Uint8Array | null;
}

interface ReportedUsage extends Usage {
  readonly job: string;
  readonly provider: string | null;
}

/**
 * A job whose ingress did not report its end. The provider is null when no single provider's
 * receipt can settle the job.
 */
export interface OverdueJob extends ReportedUsage {
  readonly deliveredTokens: number;
}

/** Undoes the transaction of holds that are made together. */
const oneRefused = new Error('one of several holds was refused');

/** Runs the SQL statements of jobs. Each statement processes a whole batch. */
export class JobStore {
  readonly receipts: ReceiptStore;
  readonly #database: Pool;

  constructor(database: Pool) {
    this.receipts = new ReceiptStore(database);
    this.#database = database;
  }

  /**
   * Each job may occur once in the rows. Unless `durable` is true, the commit does not wait for the
   * disk.
   */
  hold(rows: readonly NewHold[], durable: boolean): Promise<HoldResult[]> {
    return this.#hold(this.#database, rows, durable);
  }

  /** Makes all of these holds, or none if one of them is refused. */
  async holdTogether(rows: readonly NewHold[]): Promise<HoldResult[]> {
    let results: HoldResult[] = [];
    try {
      await transaction(this.#database, async (client) => {
        results = await this.#hold(client, rows, false);
        if (results.some(({ result }) => result !== 'held')) throw oneRefused;
      });
    } catch (error) {
      if (error !== oneRefused) throw error;
    }
    return results;
  }

  async #hold(
    database: Pool | ClientBase,
    rows: readonly NewHold[],
    durable: boolean,
  ): Promise<HoldResult[]> {
    const accounts = numbered(pluck(rows, 'account'));
    const keys = numbered(pluck(rows, 'key'));
    const digests = packed(pluck(rows, 'digest'));
    const of = (value: (row: NewHold) => string | number | boolean | null) =>
      column(rows.map(value));
    const [answer] = await queryNamed(database, HOLD, {
      accounts: column(accounts.distinct),
      keys: column(keys.distinct),
      jobs: of(({ job }) => job),
      accountPlaces: column(accounts.places),
      keyPlaces: column(keys.places),
      models: of(({ model }) => model),
      providers: of(({ providers }) => providers.at(-1) ?? null),
      payees: of(({ payee }) => payee),
      priceVersions: of(({ priceVersion }) => priceVersion),
      promptBounds: of(({ promptBound }) => promptBound),
      outputBounds: of(({ outputBound }) => outputBound),
      held: of(({ held }) => held),
      feeBps: of(({ terms }) => terms.feeBps),
      minimums: of(({ terms }) => terms.minimum),
      referrers: of(({ terms }) => terms.referrer),
      digestBytes: digests.bytes,
      digestEnds: digests.ends,
      areVoid: of(({ isVoid }) => isVoid),
      lives: of(({ lifeMs }) => lifeMs),
      durable,
    });
    const { results, helds } = answer ?? {};
    if (!results || !helds) return rows.map(({ held }) => ({ result: 'held', held }));
    return results.map((result, index) => ({ result, held: Number(helds[index]) }));
  }

  async topUp(
    job: string,
    to: { provider: string; payee: string; priceVersion: string; held: number },
  ): Promise<TopUpResult> {
    const [row] = await queryNamed(this.#database, TOP_UP, {
      job,
      provider: to.provider,
      payee: to.payee,
      priceVersion: to.priceVersion,
      held: to.held,
    });
    return { result: row?.result as TopUpResult['result'], held: Number(row?.held ?? 0) };
  }

  async find(jobs: readonly string[]): Promise<{ held: HeldJob[]; ended: EndedJob[] }> {
    const rows = await query<FoundRow>(this.#database, sql['find-jobs'], [jobs]);
    return {
      held: rows.filter(({ outcome }) => outcome === null).map(asHeld),
      ended: rows.filter(({ outcome }) => outcome !== null),
    };
  }

  /** See `onlineSince`. */
  onlineSince(): Promise<number | undefined> {
    return onlineSince(this.#database);
  }

  /** Returns the jobs that this call ended; the others had ended before. */
  async end(charges: readonly JobCharge[]): Promise<Set<string>> {
    const of = (value: (charge: JobCharge) => string | number | null) => column(charges.map(value));
    const [digests, facts] = [packed(pluck(charges, 'digest')), packed(pluck(charges, 'fact'))];
    const [row] = await queryNamed(this.#database, END, {
      jobs: of(({ job }) => job),
      revisions: of(({ revision }) => revision),
      outcomes: of(({ outcome }) => outcome),
      providers: of(({ provider }) => provider),
      payees: of(({ payee }) => payee),
      promptTokens: of(({ promptTokens }) => promptTokens),
      cachedTokens: of(({ cachedTokens }) => cachedTokens),
      completionTokens: of(({ completionTokens }) => completionTokens),
      charged: of(({ charged }) => charged),
      providerShares: of(({ providerShare }) => providerShare),
      fees: of(({ fee }) => fee),
      referrals: of(({ referral }) => referral),
      digestBytes: digests.bytes,
      digestEnds: digests.ends,
      factBytes: facts.bytes,
      factEnds: facts.ends,
    });
    return new Set(row?.ended);
  }

  async overdue(receiptGraceMs: number, limit: number): Promise<OverdueJob[]> {
    const rows = await query<Numeric<OverdueJob>>(this.#database, sql['overdue-jobs'], [
      receiptGraceMs,
      limit,
    ]);
    return rows.map((row) => ({ ...asUsage(row), deliveredTokens: Number(row.deliveredTokens) }));
  }
}

type UsageRow = Numeric<ReportedUsage>;
type FoundRow = Numeric<
  Omit<HeldJob, 'price' | 'terms' | 'revision'> & Price & Pick<Terms, 'minimum'>
> &
  Omit<Terms, 'minimum'> & { revision: number; outcome: string | null; digest: Buffer | null };

function asHeld(row: FoundRow): HeldJob {
  const { feeBps, referrer } = row;
  return {
    ...row,
    price: {
      inputPerMillion: Number(row.inputPerMillion),
      cacheReadPerMillion: Number(row.cacheReadPerMillion),
      outputPerMillion: Number(row.outputPerMillion),
    },
    terms: { feeBps, minimum: Number(row.minimum), referrer },
    promptBound: Number(row.promptBound),
    outputBound: Number(row.outputBound),
    held: Number(row.held),
  };
}

function asUsage({
  job,
  provider,
  promptTokens,
  cachedTokens,
  completionTokens,
}: UsageRow): ReportedUsage {
  return {
    job,
    provider,
    promptTokens: Number(promptTokens),
    cachedTokens: Number(cachedTokens),
    completionTokens: Number(completionTokens),
  };
}
