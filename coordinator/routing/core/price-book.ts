import type { PricedProvider, PriceTerms, TokenPrice } from '#bus-schemas';

/**
 * The prices for one request, in the form that placement uses. Not needed if all machines have the
 * same price and may serve.
 */
export interface RequestPricing {
  /** Indexed by provider. A provider that is missing here asks the listed price. */
  readonly own: ReadonlyMap<string, TokenPrice>;
  readonly list: TokenPrice;
  readonly max: TokenPrice;
  readonly exempt: readonly string[];
}

const NO_PRICES: ReadonlyMap<string, TokenPrice> = new Map();
const PER_MILLION = 1_000_000;
/**
 * Weight of the listed price as a delay, in milliseconds. Example: a machine that asks half the
 * price is chosen before one that asks the full price and would begin up to half of this time
 * earlier. The value is less than people notice, and more than the difference between two idle
 * machines.
 */
const LISTED_PRICE_MS = 200;

/**
 * The prices of providers that differ from the listed price of a model. All are replaced at once;
 * settlement limits how many a provider may have.
 */
export class PriceBook {
  #byModel: ReadonlyMap<string, ReadonlyMap<string, TokenPrice>> = new Map();

  replace(prices: readonly PricedProvider[]): void {
    const byModel = new Map<string, Map<string, TokenPrice>>();
    for (const { provider, model, ...price } of prices) {
      const ofModel = byModel.get(model) ?? new Map<string, TokenPrice>();
      byModel.set(model, ofModel.set(provider, price));
    }
    this.#byModel = byModel;
  }

  /** Undefined if the price makes no difference between machines. */
  pricingFor(model: string, terms: PriceTerms | undefined): RequestPricing | undefined {
    if (terms === undefined) return undefined;
    const { list, max, exempt = [] } = terms;
    const own = this.#byModel.get(model) ?? NO_PRICES;
    return own.size === 0 && isWithin(list, max) ? undefined : { own, list, max, exempt };
  }

  /** The highest possible cost of a request on this machine, in micro-dollars. */
  costOf(
    model: string,
    { list }: PriceTerms,
    { provider, promptTokens, maxOutputTokens }: Bounds,
  ): number {
    const price = this.#byModel.get(model)?.get(provider) ?? list;
    return Math.ceil(
      (promptTokens * price.inputMicroUsdPerMillion +
        maxOutputTokens * price.outputMicroUsdPerMillion) /
        PER_MILLION,
    );
  }
}

interface Bounds {
  readonly provider: string;
  readonly promptTokens: number;
  readonly maxOutputTokens: number;
}

/** Prevents price gouging: a machine above the limit never gets the request, however fast it is. */
export function isTooExpensive(
  provider: string,
  { own, list, max, exempt }: RequestPricing,
): boolean {
  return !isWithin(own.get(provider) ?? list, max) && !exempt.includes(provider);
}

/**
 * The price of the machine relative to the listed one, as a term of the routing cost in
 * milliseconds.
 */
export function priceMs(provider: string, { own, list, exempt }: RequestPricing): number {
  if (exempt.includes(provider)) return 0;
  const listed = sumOf(list);
  return listed === 0 ? 0 : (LISTED_PRICE_MS * sumOf(own.get(provider) ?? list)) / listed;
}

const sumOf = ({ inputMicroUsdPerMillion, outputMicroUsdPerMillion }: TokenPrice): number =>
  inputMicroUsdPerMillion + outputMicroUsdPerMillion;

const isWithin = (price: TokenPrice, max: TokenPrice): boolean =>
  price.inputMicroUsdPerMillion <= max.inputMicroUsdPerMillion &&
  price.outputMicroUsdPerMillion <= max.outputMicroUsdPerMillion;
