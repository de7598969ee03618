import { BYTES_PER_TOKEN, type JobResult, type Usage } from '#bus-schemas';
import { chargedFor, type Price } from '#coordinator/job-cost.ts';

/**
 * Routing compares input and output with the listed price, not cached tokens. Without this rule an
 * owner could stay within both listed prices and charge the full prompt price for cached tokens. A
 * machine whose prompt price is above the listed price serves only callers who accept that price.
 */
export function cachedWithinListed(own: Price, listed: Price): Price {
  if (
    own.inputPerMillion > listed.inputPerMillion ||
    own.cacheReadPerMillion <= listed.cacheReadPerMillion
  )
    return own;
  return { ...own, cacheReadPerMillion: Math.min(listed.cacheReadPerMillion, own.inputPerMillion) };
}

/** These terms applied to the account when the money for the job was set aside. */
export interface Terms {
  readonly feeBps: number;
  /** The smallest charge, in micro-dollars, for a priced job that delivered a token. */
  readonly minimum: number;
  /** The account that receives a part of the fee; null when the account has no referrer. */
  readonly referrer: string | null;
}

const BASIS_POINTS = 10_000n;
/** The referrer receives this part of the fee: 2,000 basis points are 20 %. */
const REFERRAL_BPS = 2_000n;

export interface ChargeableJob {
  readonly held: number;
  readonly price: Price;
  readonly promptBound: number;
  readonly terms: Terms;
  /** True when the machine belongs to the account that submitted the job. */
  readonly isOwnMachine: boolean;
}

export interface End {
  readonly result: JobResult;
  /** The ingress counted these tokens. */
  readonly deliveredTokens: number;
  /** The provider reported this usage; undefined when it sent no report. */
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
 * Computes the charge of a job. It counts at most the prompt bound and the delivered tokens: a
 * provider that reports more usage is not paid for tokens that the client never received. The
 * charge never exceeds the hold. It is zero when the job failed, when no token was delivered, or
 * when the account uses its own machine. The fee and the referrer's part of it are rounded down;
 * the provider and the platform receive the remainders.
 */
export function chargeFor(job: ChargeableJob, end: End): Charge {
  if (end.result === 'failed' || end.deliveredTokens === 0) return NOTHING;
  // Without a reported usage, the prompt's tokens are estimated. The prompt bound counts bytes.
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
  const charged = chargedFor(
    { price: job.price, minimum: job.terms.minimum, held: job.held },
    { prompt: promptTokens, cached: cachedTokens, completion: completionTokens },
  );
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
