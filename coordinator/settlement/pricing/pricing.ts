import { events, SettlementTermsChanged, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { discounted, FREE, lessPercent, type Price } from '#coordinator/job-cost.ts';
import { LoadingCache } from '#coordinator/loading-cache.ts';
import { cachedWithinListed, type Terms } from '../core/charge.ts';
import { CatalogPrices } from './catalog-prices.ts';
import type { AgreedTerms, PricingStore } from './pricing-store.ts';

/** Upper bound on staleness if a change event is lost, in milliseconds. */
const TTL_MS = 60_000;
const MAX_REMEMBERED = 50_000;

interface PricedJob {
  readonly account: string;
  readonly model: string;
  readonly provider: string | undefined;
  readonly isBatchLine: boolean | undefined;
}

/** The prices and terms that decide what a job costs and which account earns. */
export interface Quote {
  readonly price: Price;
  /** The catalog's price: the most that the account pays unless it accepts more. */
  readonly listed: Price;
  readonly priceVersion: string;
  readonly terms: Terms;
  /** The ledger account of the provider or of its owner; null while the job has no provider. */
  readonly payee: string | null;
}

export interface PricingOptions {
  readonly bus: Bus;
  readonly store: PricingStore;
  readonly feeBps: number;
  readonly minimumMicroUsd: number;
  /** How much less the lines of batches cost, in percent. */
  readonly batchDiscountPercent: number;
  readonly now: () => number;
}

/**
 * Finds the price and the terms of a job. The provider's own price applies, if there is one, unless
 * the account is a service. Otherwise the catalog's price applies.
 */
export class Pricing implements Disposable {
  readonly #options: PricingOptions;
  readonly #catalog: CatalogPrices;
  readonly #versions: LoadingCache<string>;
  readonly #providerPrices: LoadingCache<Price | undefined>;
  readonly #terms: LoadingCache<{ terms: Terms; service: boolean }>;
  readonly #payees: LoadingCache<string>;
  readonly #subscription: { unsubscribe(): void };

  constructor(options: PricingOptions) {
    this.#options = options;
    const { bus, store, now } = options;
    this.#catalog = new CatalogPrices({ bus, now });
    const cached = <Value>(load: (key: string) => Promise<Value>) =>
      new LoadingCache({ load, ttlMs: TTL_MS, maximum: MAX_REMEMBERED, now });
    this.#versions = cached((key) => store.priceVersion(...(JSON.parse(key) as [string, Price])));
    this.#providerPrices = cached((key) =>
      store.providerPrice(...(key.split(' ', 2) as [string, string]), now()),
    );
    this.#terms = cached(async (account) => this.#termsFrom(await store.terms(account)));
    this.#payees = cached((provider) => this.#findPayee(provider));
    this.#subscription = bus.subscribe({
      subject: events.settlementTermsChanged,
      kind: SettlementTermsChanged,
      handle: () => this.forget(),
    });
  }

  /**
   * Returns undefined when the catalog does not list the model. Owners use their own machines free
   * of charge, even for builds that the catalog does not list.
   */
  async quote(job: PricedJob): Promise<Quote | undefined> {
    const { account, model, provider } = job;
    const [platform, own, { terms, service }, payee] = await Promise.all([
      this.#catalog.priceOf(model),
      provider === undefined ? undefined : this.#providerPrices.get(`${provider} ${model}`),
      this.#terms.get(account),
      provider === undefined ? null : this.payeeOf(provider),
    ]);
    const listed = platform ?? (payee === `consumer:${account}` ? FREE : undefined);
    if (listed === undefined) return undefined;
    const whole = service || own === undefined ? listed : cachedWithinListed(own, listed);
    const percent = job.isBatchLine === true ? this.#options.batchDiscountPercent : 0;
    const price = discounted(whole, percent);
    return {
      price,
      listed: discounted(listed, percent),
      terms: { ...terms, minimum: lessPercent(terms.minimum, percent) },
      payee,
      priceVersion: await this.#versions.get(JSON.stringify([model, price])),
    };
  }

  /** Returns undefined when the catalog does not list the model. */
  listedPrice(model: string): Promise<Price | undefined> {
    return this.#catalog.priceOf(model);
  }

  payeeOf(provider: string): Promise<string> {
    return this.#payees.get(provider);
  }

  /** Discards cached prices and terms, because some of them changed. */
  forget(): void {
    this.#providerPrices.clear();
    this.#terms.clear();
  }

  async #termsFrom(agreed: AgreedTerms | undefined): Promise<{ terms: Terms; service: boolean }> {
    const { feeBps, minimumMicroUsd, store } = this.#options;
    const { service = false, referrer = null } = agreed ?? {};
    if (referrer !== null) await store.openAccount(`consumer:${referrer}`, 'consumer');
    return {
      service,
      terms: {
        feeBps: agreed?.feeBps ?? feeBps,
        minimum: service ? 0 : minimumMicroUsd,
        referrer: referrer && `consumer:${referrer}`,
      },
    };
  }

  async #findPayee(provider: string): Promise<string> {
    const { bus, store } = this.#options;
    const { account } = await bus.call(services.trust.owner, { provider }, { timeoutMs: 2_000 });
    const payee = account === undefined ? `provider:${provider}` : `consumer:${account}`;
    await store.openAccount(payee, account === undefined ? 'provider' : 'consumer');
    return payee;
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
    this.#catalog[Symbol.dispose]();
  }
}
