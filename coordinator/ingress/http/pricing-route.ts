import type { CatalogModel, TokenPrice } from '#bus-schemas';
import { Type } from '#bus-schemas/type.ts';
import type { AskedPrices } from '../asked-prices.ts';
import type { CatalogCache } from '../catalog-cache.ts';
import { minimumChargeOf } from '../core/minimum-charge.ts';
import { type Api, asTime, LIST, listOf, MicroUsd, orNull } from './api.ts';

const Range = Type.Object({ lowest: MicroUsd, highest: MicroUsd });
const Price = Type.Object({
  model: Type.String(),
  input_micro_usd_per_million: MicroUsd,
  cache_read_micro_usd_per_million: MicroUsd,
  output_micro_usd_per_million: MicroUsd,
  minimum_charge_micro_usd: Type.Integer({
    description:
      'The minimum charge of a request that delivered a token. A charge is rounded up once, to a whole millionth of a dollar.',
  }),
  asked: orNull(
    Type.Object(
      { machines: Type.Integer(), input: Range, output: Range },
      {
        description:
          'Prices of the machines that may serve the model now; null if there are none. A machine with a price above the listed one serves only callers who accept it (provider.max_price).',
      },
    ),
  ),
  announced: Type.Array(
    Type.Object({
      effective_at: Type.String(),
      input_micro_usd_per_million: MicroUsd,
      output_micro_usd_per_million: MicroUsd,
    }),
    {
      description: 'Higher prices of single machines that are not valid yet.',
    },
  ),
});

export interface PricingDeps {
  readonly catalog: CatalogCache;
  readonly askedPrices: AskedPrices;
  readonly minimumChargeMicroUsd: number;
}

export function addPricingRoute(
  api: Api,
  { catalog, askedPrices, minimumChargeMicroUsd }: PricingDeps,
): void {
  api.route({
    method: 'GET',
    url: '/v1/pricing',
    group: 'Money',
    access: 'public',
    summary: 'Prices of the models',
    description:
      'A request without `provider.max_price` costs at most the listed price. A charge is the price of the tokens, rounded up once to a whole millionth of a dollar, and at least `minimum_charge_micro_usd`.',
    reply: listOf(Price),
    handle: async () => {
      const [models, now] = await Promise.all([catalog.all(), askedPrices.now()]);
      return {
        object: LIST,
        data: models.map(([name, model]) => ({
          model: name,
          input_micro_usd_per_million: model.inputMicroUsdPerMillion,
          cache_read_micro_usd_per_million: model.cacheReadMicroUsdPerMillion,
          output_micro_usd_per_million: model.outputMicroUsdPerMillion,
          minimum_charge_micro_usd: minimumChargeOf(model, minimumChargeMicroUsd),
          asked: rangeOf(now?.askedFor(model) ?? []),
          announced: (now?.announcedFor(model) ?? []).map(
            ({ effectiveAt, inputMicroUsdPerMillion, outputMicroUsdPerMillion }) => ({
              effective_at: asTime(effectiveAt),
              input_micro_usd_per_million: inputMicroUsdPerMillion,
              output_micro_usd_per_million: outputMicroUsdPerMillion,
            }),
          ),
        })),
      };
    },
  });
}

function rangeOf(prices: readonly TokenPrice[]) {
  if (prices.length === 0) return null;
  const range = (part: keyof TokenPrice & keyof CatalogModel) => ({
    lowest: Math.min(...prices.map((price) => price[part])),
    highest: Math.max(...prices.map((price) => price[part])),
  });
  return {
    machines: prices.length,
    input: range('inputMicroUsdPerMillion'),
    output: range('outputMicroUsdPerMillion'),
  };
}
