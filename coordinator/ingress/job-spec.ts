import type {
  CatalogModel,
  MaxPrice,
  Preferences,
  Prefix,
  PriceTerms,
  Trait,
  TrustLevel,
} from '#bus-schemas';
import type { SealAttempt } from './attempt-sealing.ts';
import type { RecountTerms } from './core/recount.ts';
import type { JointHold } from './joint-hold.ts';
import type { WantedMachines } from './key-policy.ts';

/** A request that was checked, with everything that its job needs. */
export interface JobSpec {
  readonly id: string;
  readonly account: string;
  readonly key: string;
  readonly model: CatalogModel;
  readonly streamed: boolean;
  /** Time at which the last byte of the request arrived, on the monotonic clock. */
  readonly receivedAt: number;
  /** Traits that model and machine must have. */
  readonly requires: readonly Trait[];
  /** Lowest trust level of the machine; undefined for any. */
  readonly level: TrustLevel | undefined;
  readonly machines: WantedMachines;
  /** Providers that the caller excludes. */
  readonly ignore: readonly string[];
  readonly prefers: Preferences | undefined;
  /** The price limit that the caller set, which settlement enforces; undefined without one. */
  readonly maxPrice: MaxPrice | undefined;
  /** Price limits by which routing selects machines; absent if the price does not matter. */
  readonly price: PriceTerms | undefined;
  /** A digest that all turns of a conversation have in common. */
  readonly conversation: string;
  readonly prefixes: readonly Prefix[];
  readonly seal: SealAttempt;
  /** True in blind mode: the client seals the request, and the ingress cannot read it. */
  readonly clientSeals: boolean;
  /** The caller asked why its machine was chosen. */
  readonly explains: boolean;
  /** The job is a line of a batch: it costs less, and gets only idle capacity. */
  readonly isBatchLine: boolean;
  /** Estimated prompt tokens, for routing. */
  readonly promptEstimate: number;
  /** Most prompt tokens, for the hold. */
  readonly promptBound: number;
  readonly maxOutputTokens: number;
  /** The hold for all choices of the answer; absent if the answer has one choice. */
  readonly jointHold?: JointHold;
  /** Tolerances of a recount; undefined if the answer cannot be recounted. */
  readonly recount: RecountTerms | undefined;
}
