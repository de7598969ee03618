import { join } from 'node:path';
import type { Pool } from 'pg';
import type { OwnPrice, PricedProvider } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import type { Price } from '../core/charge.ts';

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

/** What was agreed with an account, other than what everybody gets. */
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
 * Models for which one provider may have a price of its own: without a bound an owner could fill
 * the table and every router.
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
    if (row === undefined) throw new Error('a price version was neither found nor made');
    return row.id;
  }

  /** The price that is in force at this time. */
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

  /** Prices in force and announced ones, the cheapest first. */
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

  /** One page of the prices in force, in the order of provider and model. */
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

  /** False where the provider has prices for as many models as it may. */
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

  /** The other terms stay as they are. */
  async putReferrer(account: string, referrer: string): Promise<void> {
    await query(this.#database, sql['put-referrer'], [account, referrer]);
  }

  /** An account that is to gain something must be there. */
  async openAccount(id: string, kind: 'consumer' | 'provider'): Promise<void> {
    await query(this.#database, sql['open-account'], [id, kind]);
  }
}

const priceOf = ({ provider, inputPerMillion, outputPerMillion }: PriceRow) => ({
  provider,
  inputMicroUsdPerMillion: Number(inputPerMillion),
  outputMicroUsdPerMillion: Number(outputPerMillion),
});
