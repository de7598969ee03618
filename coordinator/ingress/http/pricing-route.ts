import { Type } from 'typebox';
import { type CatalogModel, type PricedProvider, services } from '#bus-schemas';
import type { CatalogCache } from '../catalog-cache.ts';
import { minimumChargeOf } from '../core/minimum-charge.ts';
import { type Api, LIST, listOf, MicroUsd } from './api.ts';

/** Anybody may ask: the answer of the components is used for this long, in milliseconds. */
const GOOD_MS = 5_000;
const PAGE = 5_000;

const Range = Type.Object({ lowest: MicroUsd, highest: MicroUsd });
const Price = Type.Object({
  model: Type.String(),
  input_micro_usd_per_million: MicroUsd,
  cache_read_micro_usd_per_million: MicroUsd,
  output_micro_usd_per_million: MicroUsd,
  minimum_charge_micro_usd: Type.Integer({
    description: 'The least that a request costs which delivered anything. A charge is rounded up, once, to a whole millionth of a dollar.',
  }),
  asked: Type.Object(
    { input: Range, output: Range },
    {
      description:
        'What the machines that are there now ask. One that asks for more than the listed price serves only callers who accept it (provider.max_price).',
    },
  ),
});

export interface PricingDeps {
  readonly catalog: CatalogCache;
  readonly minimumChargeMicroUsd: number;
  readonly clock: () => number;
}

export function addPricingRoute(api: Api, { catalog, minimumChargeMicroUsd, clock }: PricingDeps): void {
  let known: { asked: Map<string, PricedProvider[]>; at: number } | undefined;
  /** The own prices of machines that are there, by model. */
  const askedNow = async () => {
    if (known !== undefined && clock() - known.at < GOOD_MS) return known.asked;
    const [prices, { providers }] = await Promise.all([api.ask(services.settlement.allProviderPrices, { limit: PAGE }), api.ask(services.routing.fleet, {})]);
    const present = new Set(providers.map(({ provider }) => provider));
    known = {
      asked: Map.groupBy(
        prices.prices.filter(({ provider }) => present.has(provider)),
        ({ model }) => model,
      ),
      at: clock(),
    };
    return known.asked;
  };
  api.route({
    ...{ method: 'GET', url: '/v1/pricing', group: 'Money', who: 'anybody', summary: 'What models cost' },
    description:
      'The listed price is the most that a request costs which names no `provider.max_price`. A charge is what the tokens cost, rounded up, once, to a whole millionth of a dollar, and at least `minimum_charge_micro_usd`.',
    reply: listOf(Price),
    handle: async () => {
      const [models, asked] = await Promise.all([catalog.all(), askedNow()]);
      return {
        object: LIST,
        data: models.map(([name, model]) => ({
          ...priceOf(name, model, asked.get(model.id) ?? []),
          minimum_charge_micro_usd: minimumChargeOf(model, minimumChargeMicroUsd),
        })),
      };
    },
  });
}

function priceOf(name: string, listed: CatalogModel, own: readonly PricedProvider[]) {
  const range = (part: 'inputMicroUsdPerMillion' | 'outputMicroUsdPerMillion') => {
    const all = [listed[part], ...own.map((price) => price[part])];
    return { lowest: Math.min(...all), highest: Math.max(...all) };
  };
  return {
    model: name,
    input_micro_usd_per_million: listed.inputMicroUsdPerMillion,
    cache_read_micro_usd_per_million: listed.cacheReadMicroUsdPerMillion,
    output_micro_usd_per_million: listed.outputMicroUsdPerMillion,
    asked: { input: range('inputMicroUsdPerMillion'), output: range('outputMicroUsdPerMillion') },
  };
}
