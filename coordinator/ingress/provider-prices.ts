import { type OwnPrice, services } from '#bus-schemas';
import type { Bus } from '#coordinator/bus.ts';
import { Remembered } from '#coordinator/remembered.ts';
import { answerOf } from './call-until.ts';

/** Whoever changes his price meanwhile is found out when the money is held. */
const TTL_MS = 10_000;
const MAX_MODELS = 1_000;
const CALL = { eachMs: 2_000, totalMs: 4_000 };

/** Which providers have a price of their own, by model; asked for when somebody cares. */
export class ProviderPrices {
  readonly #known: Remembered<readonly OwnPrice[]>;

  constructor(bus: Bus, now: () => number) {
    const load = async (model: string) => (await answerOf(bus, services.settlement.providerPrices, { model }, CALL)).prices;
    this.#known = new Remembered({ load, ttlMs: TTL_MS, maximum: MAX_MODELS, now });
  }

  of(model: string): Promise<readonly OwnPrice[]> {
    return this.#known.get(model);
  }
}
