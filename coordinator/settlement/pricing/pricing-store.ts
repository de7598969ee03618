import { join } from 'node:path';
import type { Pool } from 'pg';
import type { OwnPrice, PricedProvider } from '#bus-schemas';
import type { Price } from '#coordinator/job-cost.ts';
import { loadStatements, query } from '#coordinator/sql.ts';
import { namedStatement, queryNamed } from '#coordinator/statement.ts';

const sql = loadStatements(join(import.meta.dirname, 'store'), [
  'all-provider-prices',
  'price-version',
  'provider-price',
  'provider-prices',
  'put-provider-price',
]);

const ANNOUNCED_PRICES = namedStatement<PriceRow & { model: string; effectiveFrom: Date }>(
  'pricing.announced-prices',
)`
  SELECT provider, model, input_per_million AS "inputPerMillion",
    output_per_million AS "outputPerMillion", effective_from AS "effectiveFrom"
  FROM provider_prices WHERE effective_from > ${'now'} ORDER BY effective_from, provider, model
  LIMIT 1000`;

const TERMS = namedStatement<AgreedTerms>('pricing.terms')`
  SELECT fee_bps AS "feeBps", service, referrer FROM account_terms WHERE account = ${'account'}`;

const PUT_TERMS = namedStatement('pricing.put-terms')`
  INSERT INTO account_terms (account, fee_bps, service, referrer)
  VALUES (${'account'}, ${'feeBps'}, ${'service'}, ${'referrer'})
  ON CONFLICT (account) DO UPDATE SET fee_bps = excluded.fee_bps, service = excluded.service,
    referrer = excluded.referrer`;

const PUT_REFERRER = namedStatement('pricing.put-referrer')`
  INSERT INTO account_terms (account, service, referrer) VALUES (${'account'}, false, ${'referrer'})
  ON CONFLICT (account) DO UPDATE SET referrer = excluded.referrer`;

const OPEN_ACCOUNT = namedStatement('pricing.open-account')`
  INSERT INTO ledger_accounts (id, kind) VALUES (${'id'}, ${'kind'}) ON CONFLICT DO NOTHING`;

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
    const rows = await queryNamed(this.#database, ANNOUNCED_PRICES, { now: new Date(now) });
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
    const [row] = await queryNamed(this.#database, TERMS, { account });
    return row;
  }

  async putTerms(account: string, { feeBps, service, referrer }: AgreedTerms): Promise<void> {
    await queryNamed(this.#database, PUT_TERMS, { account, feeBps, service, referrer });
  }

  /** Sets the referrer and leaves the other terms unchanged. */
  async putReferrer(account: string, referrer: string): Promise<void> {
    await queryNamed(this.#database, PUT_REFERRER, { account, referrer });
  }

  /**
   * Opens the account if it does not exist, because the ledger can only credit existing accounts.
   */
  async openAccount(id: string, kind: 'consumer' | 'provider'): Promise<void> {
    await queryNamed(this.#database, OPEN_ACCOUNT, { id, kind });
  }
}

const priceOf = ({ provider, inputPerMillion, outputPerMillion }: PriceRow) => ({
  provider,
  inputMicroUsdPerMillion: Number(inputPerMillion),
  outputMicroUsdPerMillion: Number(outputPerMillion),
});
