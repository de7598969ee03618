import type { Candidate, Reserve, RoutingSwitches, TrustLevel } from '#bus-schemas';
import type { Fleet } from './fleet.ts';
import type { Choice, PlacementRequest } from './placement.ts';
import { choosePreferred } from './preferences.ts';
import type { PrefixClaim, PrefixClaims } from './prefix-claims.ts';
import type { PrefixMemory } from './prefix-memory.ts';
import type { PriceBook } from './price-book.ts';
import { isLeftToNewcomers, type ProbationTurns } from './probation.ts';
import { isUnordered, wantedBuild } from './request-properties.ts';
import type { Reservations } from './reservations.ts';

/**
 * The share of the concurrency of a model that one account may hold for sealed jobs that are not
 * ordered yet. One slot is always allowed.
 */
const UNORDERED_SHARE = 0.25;

/** The choice for a request for which no machine was considered. */
export const NO_CHOICE: Choice = {
  candidates: [],
  able: 0,
  cost: undefined,
  rejected: {},
};

/** One of both, or none. */
interface WarmMachines {
  /** The machine that read the longest known prefix last. */
  readonly seen?: { readonly provider: string; readonly tokens: number };
  readonly claims?: readonly PrefixClaim[];
}

export interface MachineChooserParts {
  readonly fleet: Fleet;
  readonly reservations: Reservations;
  readonly prices: PriceBook;
  readonly prefixes: PrefixMemory;
  readonly claims: PrefixClaims;
  readonly probationTurns: ProbationTurns;
  readonly random: () => number;
  /** Minimum trust level of machines for paid requests; undefined without one. */
  readonly minimumTrust: TrustLevel | undefined;
  readonly switches: () => RoutingSwitches;
}

/**
 * Chooses machines for a request from the present state of the fleet. It reserves nothing: the
 * router decides whether the choice is used.
 */
export class MachineChooser {
  readonly #parts: MachineChooserParts;

  constructor(parts: MachineChooserParts) {
    this.#parts = parts;
  }

  choose(request: Reserve, now: number, despiteCooling = false): Choice {
    const choice = this.#chooseMachine(request, now, despiteCooling);
    return this.#isOverShare(request, choice)
      ? { ...NO_CHOICE, rejected: { unordered: 1 } }
      : choice;
  }

  #chooseMachine(request: Reserve, now: number, despiteCooling: boolean): Choice {
    const { prices, probationTurns, minimumTrust } = this.#parts;
    const { seen, claims } = this.#warmFor(request, now);
    const pricing = prices.pricingFor(request.model, request.price);
    const newcomers = request.only !== undefined || probationTurns.isOpen(wantedBuild(request));
    const ask = {
      ...request,
      warm: seen === undefined ? claims : [seen],
      pricing,
      newcomers,
      // A caller pays for every machine that another account owns.
      areOwn: request.only !== undefined && request.price === undefined,
      ...(request.price !== undefined && { minimumTrust, exempt: request.price.exempt }),
    };
    const first = this.#chooseAmong(ask, now, despiteCooling);
    const choice = isLeftToNewcomers(first)
      ? this.#chooseAmong({ ...ask, newcomers: true }, now, despiteCooling)
      : first;
    const winner = choice.candidates[0]?.provider;
    const claim = claims?.find(({ provider }) => provider === winner);
    return claim === undefined ? choice : { ...choice, claim };
  }

  /**
   * Machines that need not compute all of the prompt. What machines state counts only if this router has
   * observed nothing, or if the observed machine is away: no machine can take the conversation of
   * another one by a statement.
   */
  #warmFor({ account, prefixes: asked }: Reserve, now: number): WarmMachines {
    const { fleet, prefixes, claims, switches } = this.#parts;
    if (asked === undefined || !switches().affinity) return {};
    const seen = prefixes.find(asked, now);
    if (seen !== undefined && fleet.provider(seen.provider)?.silent === false) return { seen };
    const claimed = claims.find(asked, account, now);
    return claimed.length > 0 ? { claims: claimed } : {};
  }

  #chooseAmong(ask: PlacementRequest, now: number, despiteCooling: boolean): Choice {
    const among = (wanted: PlacementRequest) =>
      choosePreferred((build) => this.#parts.fleet.serving(build), wanted, now, this.#parts.random);
    const choice = among(ask);
    if (!despiteCooling || choice.candidates.length > 0 || choice.rejected.cooling === undefined)
      return choice;
    const cooled = among({ ...ask, despiteCooling });
    return cooled.candidates.length > 0 ? cooled : choice;
  }

  /**
   * Prevents one account from blocking a model for all others with sealed sessions that it never
   * orders.
   */
  #isOverShare(request: Reserve, { candidates: [winner] }: Choice): boolean {
    if (winner === undefined || !isUnordered(request, winner)) return false;
    const { account, builds } = request;
    const held = this.#parts.reservations.unorderedBy(account, builds);
    if (held === 0) return false;
    let places = 0;
    for (const build of builds)
      for (const { closed, maxConcurrency } of this.#parts.fleet.serving(build))
        if (closed === undefined) places += maxConcurrency;
    return held >= Math.max(1, Math.floor(places * UNORDERED_SHARE));
  }

  /** Adds to each candidate what the job costs there at most, if the price matters. */
  priced(
    candidates: readonly Candidate[],
    { model, price, promptTokens, maxOutputTokens }: Reserve,
  ): Candidate[] {
    if (price === undefined) return [...candidates];
    const bounds = { promptTokens, maxOutputTokens };
    return candidates.map((candidate) => ({
      ...candidate,
      costMicroUsd: this.#parts.prices.costOf(model, price, {
        provider: candidate.provider,
        ...bounds,
      }),
    }));
  }
}
