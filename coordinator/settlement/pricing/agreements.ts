import { events, type MessageOf, SettlementTermsChanged, type services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { Price } from '#coordinator/job-cost.ts';
import type { PricingStore } from './pricing-store.ts';

type Methods = typeof services.settlement;

export interface AgreementsOptions {
  readonly bus: Pick<Bus, 'emit'>;
  readonly store: PricingStore;
  /** A higher price takes effect this long after it is set, in milliseconds. */
  readonly noticeMs: number;
  readonly listedPrice: (model: string) => Promise<Price | undefined>;
  /** Drops the prices and terms that this process has read. The others hear of the change. */
  readonly forget: () => void;
  readonly now: () => number;
}

/**
 * Sets the terms of single accounts and the prices of single providers. A change applies to jobs
 * that begin after it.
 */
export class Agreements {
  readonly #options: AgreementsOptions;

  constructor(options: AgreementsOptions) {
    this.#options = options;
  }

  async setTerms({
    account,
    feeBps,
    service,
    referrer,
  }: MessageOf<Methods['setTerms']['request']>): Promise<MessageOf<Methods['setTerms']['reply']>> {
    if (referrer === account) return { ok: false, code: 'own_referrer' };
    await this.#options.store.putTerms(account, {
      feeBps: feeBps ?? null,
      service,
      referrer: referrer ?? null,
    });
    this.#changed(`terms:${account}`);
    return { ok: true };
  }

  async setReferrer({
    account,
    referrer,
  }: MessageOf<Methods['setReferrer']['request']>): Promise<
    MessageOf<Methods['setReferrer']['reply']>
  > {
    if (referrer === account) return { ok: false, code: 'own_referrer' };
    await this.#options.store.putReferrer(account, referrer);
    this.#changed(`terms:${account}`);
    return { ok: true };
  }

  /**
   * A lower price takes effect at once and a higher one after the notice, so that a price cannot
   * rise between the routing of a request and its charge.
   */
  async setProviderPrice(
    request: MessageOf<Methods['setProviderPrice']['request']>,
  ): Promise<MessageOf<Methods['setProviderPrice']['reply']>> {
    const {
      provider,
      model,
      inputMicroUsdPerMillion: input,
      outputMicroUsdPerMillion: output,
    } = request;
    const cacheRead = request.cacheReadMicroUsdPerMillion ?? Math.floor(input / 2);
    if (cacheRead > input) return { ok: false, code: 'cache_read_above_input' };
    const { store, now, listedPrice, noticeMs } = this.#options;
    const price = {
      inputPerMillion: input,
      cacheReadPerMillion: cacheRead,
      outputPerMillion: output,
    };
    const before =
      (await store.providerPrice(provider, model, now())) ?? (await listedPrice(model));
    const isHigher =
      before === undefined ||
      (Object.keys(price) as (keyof Price)[]).some((part) => price[part] > before[part]);
    const effectiveAt = isHigher ? now() + noticeMs : now();
    if (!(await store.putProviderPrice({ provider, model, price, effectiveAt, now: now() })))
      return { ok: false, code: 'too_many_models' };
    this.#changed(`price:${provider}:${model}`);
    return { ok: true, effectiveAt };
  }

  async providerPrices({
    model,
  }: MessageOf<Methods['providerPrices']['request']>): Promise<
    MessageOf<Methods['providerPrices']['reply']>
  > {
    return { prices: await this.#options.store.providerPrices(model, this.#options.now()) };
  }

  async allProviderPrices({
    after,
    limit,
  }: MessageOf<Methods['allProviderPrices']['request']>): Promise<
    MessageOf<Methods['allProviderPrices']['reply']>
  > {
    const { store, now } = this.#options;
    return {
      prices: await store.allProviderPrices(after ?? { provider: '', model: '' }, limit, now()),
    };
  }

  async announcedPrices(): Promise<MessageOf<Methods['announcedPrices']['reply']>> {
    return { prices: await this.#options.store.announcedPrices(this.#options.now()) };
  }

  #changed(what: string): void {
    // The event also reaches this process, but later than the reply to the caller.
    this.#options.forget();
    const at = this.#options.now();
    this.#options.bus.emit(
      events.settlementTermsChanged,
      SettlementTermsChanged,
      { at },
      `${what}:${at}`,
    );
  }
}
