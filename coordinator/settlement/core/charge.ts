import type { JobResult, Usage } from '#bus-schemas';

/** Micro-dollars for a million tokens. */
export interface Price {
  readonly inputPerMillion: number;
  /** For prompt tokens that the provider had in its cache. */
  readonly cacheReadPerMillion: number;
  readonly outputPerMillion: number;
}

/**
 * Routing compares input and output with the listed price, not cached tokens. Without this rule an
 * owner could keep to both and ask
 * the full price of the prompt for cached tokens. A machine that asks more for the prompt serves
 * only callers who accept that.
 */
export function cachedWithinListed(own: Price, listed: Price): Price {
  if (
    own.inputPerMillion > listed.inputPerMillion ||
    own.cacheReadPerMillion <= listed.cacheReadPerMillion
  )
    return own;
  return { ...own, cacheReadPerMillion: Math.min(listed.cacheReadPerMillion, own.inputPerMillion) };
}

/** What the account had agreed to when the money was set aside. */
export interface Terms {
  readonly feeBps: number;
  /** Least that a job costs which delivered anything. */
  readonly minimum: number;
  /** The account that gets a part of the fees. */
  readonly referrer: string | null;
}

const MILLION = 1_000_000n;
const BASIS_POINTS = 10_000n;
/** The referrer's part of the fee. */
const REFERRAL_BPS = 2_000n;
/**
 * A prompt whose tokens nobody reported is taken at the usual four bytes each; the bound counts
 * bytes.
 */
const BYTES_PER_TOKEN = 4;

export interface Tokens {
  readonly prompt: number;
  /** Of the prompt. */
  readonly cached?: number;
  readonly completion: number;
}

/**
 * In whole micro-dollars, rounded up: what is used is never free. Exact, though tokens times price
 * passes 2^53; a cost past
 * 2^53 is more than any account can have and is left at that bound.
 */
export function costOf(price: Price, { prompt, cached = 0, completion }: Tokens): number {
  const exact =
    BigInt(prompt - cached) * BigInt(price.inputPerMillion) +
    BigInt(cached) * BigInt(price.cacheReadPerMillion) +
    BigInt(completion) * BigInt(price.outputPerMillion);
  return Math.min(Number((exact + MILLION - 1n) / MILLION), Number.MAX_SAFE_INTEGER);
}

/** A model that costs nothing has no minimum either. */
function atLeast(cost: number, minimum: number): number {
  return cost === 0 ? 0 : Math.max(cost, minimum);
}

/** What is set aside: the price of both bounds. */
export function holdFor(
  price: Price,
  bounds: { prompt: number; completion: number },
  minimum: number,
): number {
  return atLeast(costOf(price, bounds), minimum);
}

export interface HeldJob {
  readonly held: number;
  readonly price: Price;
  readonly promptBound: number;
  readonly terms: Terms;
  /** The machine belongs to the account that used it. */
  readonly isOwnMachine: boolean;
}

export interface End {
  readonly result: JobResult;
  /** Counted at the ingress. */
  readonly deliveredTokens: number;
  /** The provider's word; absent when it died before it gave one. */
  readonly usage?: Usage | undefined;
}

export interface Charge {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly charged: number;
  readonly providerShare: number;
  readonly fee: number;
  readonly referral: number;
}

const NOTHING: Charge = {
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  charged: 0,
  providerShare: 0,
  fee: 0,
  referral: 0,
};

/**
 * What a job costs: the lesser of what the provider says and what arrived, never more than was
 * held, nothing when nothing was
 * delivered or the machine is one's own. Shares are rounded down and the rest goes on to the next:
 * of the charge the provider
 * gets the odd micro-dollar, of the fee the platform.
 */
export function chargeFor(job: HeldJob, end: End): Charge {
  if (end.result === 'failed' || end.deliveredTokens === 0) return NOTHING;
  const promptTokens = Math.min(
    end.usage?.promptTokens ?? Math.ceil(job.promptBound / BYTES_PER_TOKEN),
    job.promptBound,
  );
  const cachedTokens = Math.min(end.usage?.cachedTokens ?? 0, promptTokens);
  const completionTokens = Math.min(
    end.usage?.completionTokens ?? end.deliveredTokens,
    end.deliveredTokens,
  );
  const tokens = { promptTokens, cachedTokens, completionTokens };
  if (job.isOwnMachine) return { ...NOTHING, ...tokens };
  const cost = costOf(job.price, {
    prompt: promptTokens,
    cached: cachedTokens,
    completion: completionTokens,
  });
  const charged = Math.min(job.held, atLeast(cost, job.terms.minimum));
  const wholeFee = share(charged, BigInt(job.terms.feeBps));
  const referral = job.terms.referrer === null ? 0 : share(wholeFee, REFERRAL_BPS);
  return {
    ...tokens,
    charged,
    providerShare: charged - wholeFee,
    fee: wholeFee - referral,
    referral,
  };
}

function share(amount: number, basisPoints: bigint): number {
  return Number((BigInt(amount) * basisPoints) / BASIS_POINTS);
}
