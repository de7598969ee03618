import { LruMap } from '#bus-schemas/customer.ts';
import type { Offer } from './offer-check.ts';

/**
 * Time after which a machine is dropped, in milliseconds. A machine renews its evidence at the same
 * interval.
 */
const KEPT_MS = 5 * 60_000;
const MOST = 8;

interface Known {
  readonly offer: Offer;
  readonly at: number;
}

/**
 * The machines that have answered lately, for each model. The client can seal for one of them
 * without asking the coordinator first. Several are kept for each model, so that not all requests
 * go to one machine.
 */
export class KnownMachines {
  readonly #byModel = new Map<string, LruMap<string, Known>>();
  /**
   * Output limit of each model, in tokens, as learned from a request without a limit of its own.
   */
  readonly #outputLimits = new Map<string, number>();

  /** One of the model's machines, chosen at random. */
  any(model: string, now: number): Offer | undefined {
    const known = this.#byModel.get(model);
    if (known === undefined) return undefined;
    for (const [provider, { at }] of known) if (now - at > KEPT_MS) known.delete(provider);
    return [...known.values()][Math.floor(Math.random() * known.size)]?.offer;
  }

  outputLimit(model: string): number | undefined {
    return this.#outputLimits.get(model);
  }

  answered(model: string, offer: Offer, now: number): void {
    const known = this.#byModel.get(model) ?? new LruMap<string, Known>(MOST);
    known.set(offer.provider, { offer: { ...offer, attempt: 1 }, at: now });
    this.#byModel.set(model, known);
  }

  setOutputLimit(model: string, maxTokens: number): void {
    this.#outputLimits.set(model, maxTokens);
  }

  failed(model: string, { provider }: Offer): void {
    this.#byModel.get(model)?.delete(provider);
  }
}
