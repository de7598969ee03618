import { events, type MessageOf, SettlementTermsChanged, type services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import type { PricingStore } from './pricing-store.ts';

type Methods = typeof services.settlement;

export interface AgreementsOptions {
  readonly bus: Pick<Bus, 'emit'>;
  readonly store: PricingStore;
  readonly now: () => number;
}

/** What is agreed with single accounts and providers. A change holds for the jobs that begin after it. */
export class Agreements {
  readonly #options: AgreementsOptions;

  constructor(options: AgreementsOptions) {
    this.#options = options;
  }

  async setTerms({ account, feeBps, service, referrer }: MessageOf<Methods['setTerms']['request']>): Promise<MessageOf<Methods['setTerms']['reply']>> {
    if (referrer === account) return { ok: false, code: 'own_referrer' };
    await this.#options.store.putTerms(account, { feeBps: feeBps ?? null, service, referrer: referrer ?? null });
    this.#changed(`terms:${account}`);
    return { ok: true };
  }

  async setReferrer({ account, referrer }: MessageOf<Methods['setReferrer']['request']>): Promise<MessageOf<Methods['setReferrer']['reply']>> {
    if (referrer === account) return { ok: false, code: 'own_referrer' };
    await this.#options.store.putReferrer(account, referrer);
    this.#changed(`terms:${account}`);
    return { ok: true };
  }

  async setProviderPrice(request: MessageOf<Methods['setProviderPrice']['request']>): Promise<MessageOf<Methods['setProviderPrice']['reply']>> {
    const { provider, model, inputMicroUsdPerMillion: input, outputMicroUsdPerMillion: output } = request;
    const cacheRead = request.cacheReadMicroUsdPerMillion ?? Math.floor(input / 2);
    if (cacheRead > input) return { ok: false, code: 'cache_read_above_input' };
    await this.#options.store.putProviderPrice(provider, model, { inputPerMillion: input, cacheReadPerMillion: cacheRead, outputPerMillion: output });
    this.#changed(`price:${provider}:${model}`);
    return { ok: true };
  }

  async providerPrices({ model }: MessageOf<Methods['providerPrices']['request']>): Promise<MessageOf<Methods['providerPrices']['reply']>> {
    return { prices: await this.#options.store.providerPrices(model) };
  }

  #changed(what: string): void {
    const at = this.#options.now();
    this.#options.bus.emit(events.settlementTermsChanged, SettlementTermsChanged, { at }, `${what}:${at}`);
  }
}
