import type { Offer } from './offer-check.ts';

/** As long as what they have shown is young. */
const KEPT_MS = 5 * 60_000;
const MOST = 8;

interface Known {
  readonly offer: Offer;
  readonly at: number;
}

/**
 * Machines that answered lately, by model: they can be sealed for at once. Several, so that not all
 * requests run to one.
 */
export class KnownMachines {
  readonly #byModel = new Map<string, Map<string, Known>>();
  /** The models' own limits, once a request without one was answered. */
  readonly #longest = new Map<string, number>();

  /** One of them at random. */
  any(model: string, now: number): Offer | undefined {
    const known = this.#byModel.get(model);
    if (known === undefined) return undefined;
    for (const [provider, { at }] of known) if (now - at > KEPT_MS) known.delete(provider);
    return [...known.values()][Math.floor(Math.random() * known.size)]?.offer;
  }

  longest(model: string): number | undefined {
    return this.#longest.get(model);
  }

  answered(model: string, offer: Offer, now: number): void {
    const known = this.#byModel.get(model) ?? new Map<string, Known>();
    // The newest last, so that the oldest goes first.
    known.delete(offer.provider);
    known.set(offer.provider, { offer: { ...offer, attempt: 1 }, at: now });
    const [oldest] = known.keys();
    if (known.size > MOST && oldest !== undefined) known.delete(oldest);
    this.#byModel.set(model, known);
  }

  limited(model: string, maxTokens: number): void {
    this.#longest.set(model, maxTokens);
  }

  failed(model: string, { provider }: Offer): void {
    this.#byModel.get(model)?.delete(provider);
  }
}
