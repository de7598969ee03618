import { join } from 'node:path';
import type { Pool } from 'pg';
import type { OwnPrice, PricedProvider } from '#bus-schemas';
import type { Price } from '#coordinator/job-cost.ts';
import { loadStatements, query } from '#coordinator/sql.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'all-provider-prices',
  'announced-prices',
  'open-account',
  'price-version',
  'provider-price',
  'provider-prices',
  'put-provider-price',
  'put-referrer',
  'put-terms',
  'terms',
]);

/**
 * The terms of one account that differ from the defaults. A null `feeBps` stands for the default
 * fee.
 */
export interface AgreedTerms {
  readonly feeBps: number | null;
  readonly service: boolean;
  readonly referrer: string | null;
}

export interface NewProviderPrice {
  readonly provider: string;
  readonly model: string;
  readonly price: Price;
  readonly effectiveAt: number;
  readonly now: number;
}

interface PriceRow {
  readonly provider: string;
  readonly inputPerMillion: string;
  readonly outputPerMillion: string;
}

/**
 * One provider may set its own prices for at most this many models. Without a bound, an owner could
 * fill the table and the memory of every router.
 */
const MAX_PRICED_MODELS = 64;

export class PricingStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async priceVersion(model: string, price: Price): Promise<string> {
    const values = [
      model,
      price.inputPerMillion,
      price.cacheReadPerMillion,
      price.outputPerMillion,
    ];
    const [row] = await query<{ id: string }>(this.#database, sql['price-version'], values);
    if (row === undefined) throw new Error('the database returned no id for a price version');
    return row.id;
  }

  /** Returns the price that is in force at the time `now`. */
  async providerPrice(provider: string, model: string, now: number): Promise<Price | undefined> {
    const [row] = await query<{ [Field in keyof Price]: string }>(
      this.#database,
      sql['provider-price'],
      [provider, model, new Date(now)],
    );
    if (row === undefined) return undefined;
    return {
      inputPerMillion: Number(row.inputPerMillion),
      cacheReadPerMillion: Number(row.cacheReadPerMillion),
      outputPerMillion: Number(row.outputPerMillion),
    };
  }

  /** Returns the prices in force and the announced ones, the cheapest first. */
  async providerPrices(model: string, now: number): Promise<OwnPrice[]> {
    const rows = await query<PriceRow & { effectiveFrom: Date | null }>(
      this.#database,
      sql['provider-prices'],
      [model, new Date(now)],
    );
    return rows.map(({ effectiveFrom, ...row }) => ({
      ...priceOf(row),
      ...(effectiveFrom && { effectiveAt: effectiveFrom.getTime() }),
    }));
  }

  /** Returns one page of the prices in force, in the order of provider and model. */
  async allProviderPrices(
    after: { provider: string; model: string },
    limit: number,
    now: number,
  ): Promise<PricedProvider[]> {
    const rows = await query<PriceRow & { model: string }>(
      this.#database,
      sql['all-provider-prices'],
      [new Date(now), after.provider, after.model, limit],
    );
    return rows.map(({ model, ...row }) => ({ ...priceOf(row), model }));
  }

  async announcedPrices(now: number): Promise<(PricedProvider & { effectiveAt: number })[]> {
    const rows = await query<PriceRow & { model: string; effectiveFrom: Date }>(
      this.#database,
      sql['announced-prices'],
      [new Date(now)],
    );
    return rows.map(({ model, effectiveFrom, ...row }) => ({
      ...priceOf(row),
      model,
      effectiveAt: effectiveFrom.getTime(),
    }));
  }

  /** Returns false when the provider already has prices for `MAX_PRICED_MODELS` other models. */
  async putProviderPrice({
    provider,
    model,
    price,
    effectiveAt,
    now,
  }: NewProviderPrice): Promise<boolean> {
    const values = [
      provider,
      model,
      price.inputPerMillion,
      price.cacheReadPerMillion,
      price.outputPerMillion,
      new Date(effectiveAt),
      new Date(now),
    ];
    return (
      (await query(this.#database, sql['put-provider-price'], [...values, MAX_PRICED_MODELS]))
        .length > 0
    );
  }

  async terms(account: string): Promise<AgreedTerms | undefined> {
    const [row] = await query<AgreedTerms>(this.#database, sql.terms, [account]);
    return row;
  }

  async putTerms(account: string, { feeBps, service, referrer }: AgreedTerms): Promise<void> {
    await query(this.#database, sql['put-terms'], [account, feeBps, service, referrer]);
  }

  /** Sets the referrer and leaves the other terms unchanged. */
  async putReferrer(account: string, referrer: string): Promise<void> {
    await query(this.#database, sql['put-referrer'], [account, referrer]);
  }

  /**
   * Opens the account if it does not exist, because the ledger can only credit existing accounts.
   */
  async openAccount(id: string, kind: 'consumer' | 'provider'): Promise<void> {
    await query(this.#database, sql['open-account'], [id, kind]);
  }
}

const priceOf = ({ provider, inputPerMillion, outputPerMillion }: PriceRow) => ({
  provider,
  inputMicroUsdPerMillion: Number(inputPerMillion),
  outputMicroUsdPerMillion: Number(outputPerMillion),
});
