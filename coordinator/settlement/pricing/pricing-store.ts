import { join } from 'node:path';
import type { Pool } from 'pg';
import type { OwnPrice } from '#bus-schemas';
import { loadStatements, query } from '#coordinator/sql.ts';
import type { Price } from '../core/charge.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
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

export class PricingStore {
  readonly #database: Pool;

  constructor(database: Pool) {
    this.#database = database;
  }

  async priceVersion(model: string, price: Price): Promise<string> {
    const values = [model, price.inputPerMillion, price.cacheReadPerMillion, price.outputPerMillion];
    const [row] = await query<{ id: string }>(this.#database, sql['price-version'], values);
    if (row === undefined) throw new Error('a price version was neither found nor made');
    return row.id;
  }

  async providerPrice(provider: string, model: string): Promise<Price | undefined> {
    const [row] = await query<{ [Field in keyof Price]: string }>(this.#database, sql['provider-price'], [provider, model]);
    if (row === undefined) return undefined;
    return {
      inputPerMillion: Number(row.inputPerMillion),
      cacheReadPerMillion: Number(row.cacheReadPerMillion),
      outputPerMillion: Number(row.outputPerMillion),
    };
  }

  /** The cheapest first. */
  async providerPrices(model: string): Promise<OwnPrice[]> {
    const rows = await query<{ provider: string; inputPerMillion: string; outputPerMillion: string }>(this.#database, sql['provider-prices'], [model]);
    return rows.map(({ provider, inputPerMillion, outputPerMillion }) => ({
      provider,
      inputMicroUsdPerMillion: Number(inputPerMillion),
      outputMicroUsdPerMillion: Number(outputPerMillion),
    }));
  }

  async putProviderPrice(provider: string, model: string, price: Price): Promise<void> {
    const values = [provider, model, price.inputPerMillion, price.cacheReadPerMillion, price.outputPerMillion];
    await query(this.#database, sql['put-provider-price'], values);
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
