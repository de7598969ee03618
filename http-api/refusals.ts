import type { MessageKind, services } from '#bus-schemas';
import { ApiError, type ApiErrorCode } from './errors.ts';

/**
 * The error of the API for each refusal in a reply of a component. Commands of an operator print
 * the same sentences. Status, type and whether a repetition makes sense follow from `error`
 * (errors.ts). A new refusal does not compile until it has a row here.
 *
 * Routing's refusals and those of holds depend on more than their code; their errors are in
 * coordinator/ingress/core/refusal-errors.ts.
 */
interface Refusal {
  readonly error: ApiErrorCode;
  /** Absent means the default message of `error`. */
  readonly message?: string;
  /** Field of the request that caused the refusal. */
  readonly param?: string;
}

type Refusals<Method> = Method extends { readonly reply: MessageKind<infer Reply> }
  ? Readonly<Record<Extract<Reply, { ok: false; code: string }>['code'], Refusal>>
  : never;

type Accounts = (typeof services)['accounts'];
type Catalog = (typeof services)['catalog'];
type Settlement = (typeof services)['settlement'];
type Trust = (typeof services)['trust'];

export const accountRefusals = {
  decideLink: {
    unknown: { error: 'not_found', message: 'No machine shows this code.', param: 'user_code' },
    used: {
      error: 'conflict',
      message: 'This code was already approved or denied.',
      param: 'user_code',
    },
    expired: {
      error: 'gone',
      message: 'This code has expired; the machine shows a new one when it asks again.',
      param: 'user_code',
    },
  } as const satisfies Refusals<Accounts['decideLink']>,

  redeemSignInCode: {
    unknown: {
      error: 'signed_out',
      message: 'This link is not valid. Print a new one with "dinf sign-in --link".',
    },
    used: {
      error: 'signed_out',
      message:
        'This link was used already: it works once. Print a new one with "dinf sign-in --link".',
    },
    expired: {
      error: 'signed_out',
      message: 'This link has expired. Print a new one with "dinf sign-in --link".',
    },
    suspended: { error: 'account_suspended' },
  } as const satisfies Refusals<Accounts['redeemSignInCode']>,

  startSession: {
    unknown: { error: 'signed_out' },
    suspended: { error: 'account_suspended' },
  } as const satisfies Refusals<Accounts['startSession']>,

  putStored: {
    full: { error: 'storage_full' },
    changed: {
      error: 'conflict',
      message: 'Another request has changed or deleted this object at the same time.',
    },
  } as const satisfies Refusals<Accounts['putStored']>,

  readStored: {
    unknown: {
      error: 'not_found',
      message: 'This API key has stored no such object, or it has expired or was deleted.',
    },
  } as const satisfies Refusals<Accounts['readStored']>,

  createBatch: {
    too_many: {
      error: 'conflict',
      message: 'The account has 16 unfinished batches. Wait until one ends, or cancel one.',
    },
    full: { error: 'storage_full' },
  } as const satisfies Refusals<Accounts['createBatch']>,

  readBatch: {
    unknown: {
      error: 'not_found',
      message: 'This API key has no such batch, or it was deleted 30 days after its creation.',
    },
  } as const satisfies Refusals<Accounts['readBatch']>,

  redeemInvite: {
    unknown: { error: 'not_found', message: 'There is no such invite.', param: 'code' },
    used_up: { error: 'conflict', message: 'This invite has been used up.', param: 'code' },
    expired: { error: 'gone', message: 'This invite has expired.', param: 'code' },
  } as const satisfies Refusals<Accounts['redeemInvite']>,

  applyReferral: {
    unknown: { error: 'not_found', message: 'There is no such code.', param: 'code' },
    own: { error: 'conflict', message: 'This is your own code.', param: 'code' },
    already: { error: 'conflict', message: 'This account already has a referrer.', param: 'code' },
  } as const satisfies Refusals<Accounts['applyReferral']>,
};

const UNKNOWN_MODEL = { error: 'not_found', message: 'There is no such model or alias.' } as const;

export const catalogRefusals = {
  /** The changes of a model or alias that have one kind of reply. */
  change: {
    unknown: UNKNOWN_MODEL,
    taken: { error: 'conflict', message: 'A model has this name.' },
    in_use: { error: 'conflict', message: 'The model still has aliases. Remove them first.' },
  } as const satisfies Refusals<Catalog['dropModel']>,

  rollOut: {
    unknown: UNKNOWN_MODEL,
    same_build: {
      error: 'conflict',
      message: 'This build is the preferred one already.',
      param: 'build',
    },
    not_served: {
      error: 'conflict',
      message: 'No machine serves this build now.',
      param: 'build',
    },
    not_pinned: {
      error: 'conflict',
      message: 'The present build has a digest of its weights, so this one needs a digest too.',
      param: 'weights',
    },
  } as const satisfies Refusals<Catalog['rollOut']>,

  revert: {
    unknown: UNKNOWN_MODEL,
    no_previous: { error: 'conflict', message: 'The model had no rollout.' },
  } as const satisfies Refusals<Catalog['revert']>,
};

const USED_OPERATION = {
  error: 'conflict',
  message: 'This operation id was used with other values.',
  param: 'operation',
} as const;
const NO_PAYMENTS = { error: 'not_configured', message: 'This network has no payments.' } as const;
const STRIPE_AWAY = {
  error: 'service_unavailable',
  message: 'Stripe is not reachable at the moment.',
} as const;
const TOO_SMALL = {
  error: 'invalid_request',
  message: 'The amount is below the minimum.',
  param: 'amount_micro_usd',
} as const;

export const settlementRefusals = {
  credit: { operation_conflict: USED_OPERATION } as const satisfies Refusals<Settlement['credit']>,

  reward: {
    operation_conflict: USED_OPERATION,
    insufficient_funds: {
      error: 'conflict',
      message: 'The fees that the platform has earned do not cover this reward.',
      param: 'amount_micro_usd',
    },
  } as const satisfies Refusals<Settlement['reward']>,

  fundRewards: {
    operation_conflict: USED_OPERATION,
    insufficient_funds: {
      error: 'conflict',
      message: 'The account from which the money would come has less than that.',
      param: 'amount_micro_usd',
    },
  } as const satisfies Refusals<Settlement['fundRewards']>,

  addPromotion: {
    begun: {
      error: 'invalid_request',
      message: 'A promotion begins on the next day of UTC at the earliest.',
    },
    taken: { error: 'conflict', message: 'There is or was a promotion with this name.' },
    wrong_days: {
      error: 'invalid_request',
      message: 'The last day must be a date from the first day on, and at most 366 days after it.',
    },
    too_many: { error: 'conflict', message: 'There are as many promotions as there may be.' },
  } as const satisfies Refusals<Settlement['addPromotion']>,

  setProviderPrice: {
    cache_read_above_input: {
      error: 'invalid_request',
      message: 'cache_read must not be more than input.',
      param: 'cache_read',
    },
    too_many_models: {
      error: 'conflict',
      message: 'This machine has prices for as many models as one may have.',
      param: 'model',
    },
  } as const satisfies Refusals<Settlement['setProviderPrice']>,

  checkout: {
    not_configured: NO_PAYMENTS,
    unavailable: STRIPE_AWAY,
    too_small: TOO_SMALL,
    operation_conflict: USED_OPERATION,
  } as const satisfies Refusals<Settlement['checkout']>,

  onboard: {
    not_configured: NO_PAYMENTS,
    unavailable: STRIPE_AWAY,
  } as const satisfies Refusals<Settlement['onboard']>,

  withdraw: {
    not_configured: NO_PAYMENTS,
    too_small: TOO_SMALL,
    operation_conflict: USED_OPERATION,
    not_onboarded: {
      error: 'forbidden',
      message: 'Set the destination of payouts first: POST /v1/billing/onboard.',
    },
    insufficient_funds: {
      error: 'insufficient_quota',
      message:
        'The withdrawable balance is smaller than this amount: see withdrawable_micro_usd, maturing and owed_micro_usd of GET /v1/balance. Nothing can be withdrawn while a payment is disputed.',
    },
  } as const satisfies Refusals<Settlement['withdraw']>,

  connection: {
    not_configured: NO_PAYMENTS,
    unavailable: STRIPE_AWAY,
  } as const satisfies Refusals<Settlement['connection']>,

  dashboard: {
    not_configured: NO_PAYMENTS,
    unavailable: STRIPE_AWAY,
    not_onboarded: {
      error: 'forbidden',
      message: 'Set the destination of payouts first: POST /v1/billing/onboard.',
    },
  } as const satisfies Refusals<Settlement['dashboard']>,

  disconnect: {
    not_configured: NO_PAYMENTS,
    unavailable: STRIPE_AWAY,
    not_connected: { error: 'not_found', message: 'You have no account at Stripe.' },
    money_on_the_way: {
      error: 'conflict',
      message:
        'A withdrawal is on its way, or Stripe still has money of this account. Disconnect it when Stripe has paid everything out.',
    },
  } as const satisfies Refusals<Settlement['disconnect']>,

  depositReceipt: {
    not_configured: NO_PAYMENTS,
    unavailable: STRIPE_AWAY,
    unknown: { error: 'not_found', message: 'You have no such paid deposit.' },
  } as const satisfies Refusals<Settlement['depositReceipt']>,

  quoteWithdrawal: {
    not_configured: NO_PAYMENTS,
    too_small: TOO_SMALL,
  } as const satisfies Refusals<Settlement['quoteWithdrawal']>,

  receipt: {
    unknown_job: {
      error: 'not_found',
      message: 'You have no such request, or it has not ended yet.',
    },
    unsigned: { error: 'not_found', message: 'No provider has signed for this request yet.' },
    forged: {
      error: 'provider_error',
      message: 'The provider’s signature does not match the recorded work.',
    },
  } as const satisfies Refusals<Settlement['receipt']>,

  /** Stripe repeats an event after every error. */
  webhook: {
    bad_signature: {
      error: 'invalid_request',
      message: 'The event has no valid signature of Stripe.',
    },
    bad_event: {
      error: 'invalid_request',
      message: 'The event has no valid signature of Stripe.',
    },
    later: { error: 'service_unavailable' },
    not_configured: NO_PAYMENTS,
  } as const satisfies Refusals<Settlement['webhook']>,
};

export const trustRefusals = {
  /** The three refusals of a token have one message, because a guess must learn nothing. */
  enrol: {
    unknown_token: { error: 'invalid_enrolment' },
    used_token: { error: 'invalid_enrolment' },
    expired_token: { error: 'invalid_enrolment' },
    owner_caught: {
      error: 'invalid_enrolment',
      message:
        'A machine of this account was caught. Until an operator pardons it ("dinf trust pardon"), the account links no other machine.',
    },
    too_many_machines: {
      error: 'invalid_enrolment',
      message:
        'This account has linked as many machines as it may within 24 hours (DINF_LINKS_PER_DAY).',
    },
  } as const satisfies Refusals<Trust['enrol']>,

  renew: {
    revoked: { error: 'gone', message: 'This machine was removed from the network.' },
    too_often: {
      error: 'rate_limit_exceeded',
      message: 'This machine renewed its credentials too often within an hour.',
    },
    unknown_machine: { error: 'invalid_renewal' },
    bad_signature: { error: 'invalid_renewal' },
    stale_nonce: { error: 'invalid_renewal' },
  } as const satisfies Refusals<Trust['renew']>,

  proveReader: {
    revoked: { error: 'gone', message: 'This machine was removed from the network.' },
    too_often: {
      error: 'rate_limit_exceeded',
      message: 'This machine read its earnings too often within an hour.',
    },
    unknown_machine: { error: 'invalid_renewal' },
    bad_signature: { error: 'invalid_renewal' },
    stale_nonce: { error: 'invalid_renewal' },
  } as const satisfies Refusals<Trust['proveReader']>,

  showName: {
    unknown_machine: { error: 'not_found', message: 'You have no such machine.' },
    taken: {
      error: 'conflict',
      message:
        'Another machine has this name, or one that could be mistaken for it. Choose another name.',
      param: 'name',
    },
    reserved: {
      error: 'conflict',
      message:
        'A name with a word such as "official", "operator", "admin" or "dinf" would look like one of the network itself. Choose another name.',
      param: 'name',
    },
    withdrawn: {
      error: 'forbidden',
      message:
        'The operator has withdrawn a name of your machines, so they can take no other one. Ask the operator of the network for the reason.',
    },
    too_many: {
      error: 'conflict',
      message:
        'At most 20 of your machines can be on the leaderboard. Take another one off it first.',
    },
    full: {
      error: 'conflict',
      message: 'The leaderboard is full: 2,000 machines have a public name. Try again later.',
    },
  } as const satisfies Refusals<Trust['showName']>,

  mdmEvent: {
    bad_secret: { error: 'invalid_api_key', message: 'The secret of the webhook is wrong.' },
    bad_event: { error: 'invalid_request', message: 'This is not an event of MicroMDM.' },
    not_configured: { error: 'not_configured' },
  } as const satisfies Refusals<Trust['mdmEvent']>,
};

const ALL = [accountRefusals, catalogRefusals, settlementRefusals, trustRefusals];

/**
 * Each refusal with a message of its own, by its name, such as `redeemInvite.expired`. A row that
 * several methods share has the name in the first one.
 */
export const namedRefusals: ReadonlyMap<string, Refusal> = namesOf(
  ALL.flatMap((part) => Object.entries<Readonly<Record<string, Refusal>>>(part)),
);

function namesOf(
  methods: readonly (readonly [string, Readonly<Record<string, Refusal>>])[],
): Map<string, Refusal> {
  const named = new Map<string, Refusal>();
  const seen = new Set<Refusal>();
  for (const [method, rows] of methods)
    for (const [code, row] of Object.entries(rows)) {
      if (row.message === undefined || seen.has(row)) continue;
      seen.add(row);
      named.set(`${method}.${code}`, row);
    }
  return named;
}

const nameOf = new Map([...namedRefusals].map(([name, row]) => [row, name]));

/** Returns the error with which the API answers a request that a component refused. */
export function refusalError(refusal: Refusal, options: ErrorOptions = {}): ApiError {
  const { error, message, param } = refusal;
  const reason = nameOf.get(refusal);
  return new ApiError(error, message, {
    ...options,
    ...(param !== undefined && { param }),
    ...(reason !== undefined && { reason }),
  });
}
