import { Hash } from '../bytes.ts';
import { AccountId, JobId, KeyId, ModelName } from '../ids.ts';
import { byName, COUNTED_AMOUNTS, RATE_LIMIT_NAMES } from '../key-limits.ts';
import { At, count, nothing, optional, positive } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import {
  accountRecord,
  accountsFound,
  accountsSuspended,
  findAccounts,
  setAccountLimits,
  suspendAccount,
  suspendedAccounts,
} from './account-records.ts';
import {
  batchClaimed,
  batchCreated,
  batchDeleted,
  batchEnded,
  batchesListed,
  batchFound,
  batchGranted,
  batchLinePut,
  batchLinesRead,
  batchReleased,
  batchRenewed,
  claimBatch,
  createBatch,
  endBatch,
  grantBatch,
  listBatches,
  ofBatch,
  putBatchLine,
  readBatchLines,
  releaseBatch,
  renewBatch,
} from './batches.ts';
import {
  authenticateSession,
  createSignInCode,
  endSessions,
  listSessions,
  redeemSignInCode,
  sessionAuthenticated,
  sessionStarted,
  sessionsEnded,
  sessionsListed,
  signInCodeCreated,
  signInCodeRedeemed,
  startSession,
} from './console-sessions.ts';
import { RateLimits } from './rate-limits.ts';
import { methodsOf, ok, refused } from './service-method.ts';
import {
  listStored,
  ofStored,
  putStored,
  renewStored,
  SealedContent,
  storedCancelled,
  storedDeleted,
  storedListed,
  storedPut,
  storedRead,
  storedRenewed,
} from './stored-objects.ts';

/**
 * Requests of the other components about people, their keys, and the permissions of both. A secret
 * is sent only as its SHA-256 digest.
 */

const Name = Type.String({ maxLength: 120 });
const Code = Type.String({ minLength: 4, maxLength: 64, pattern: '^[A-Za-z0-9_-]+$' });

// people

const signIn = Type.Object({
  issuer: Type.String({ minLength: 1, maxLength: 512 }),
  subject: Type.String({ minLength: 1, maxLength: 255 }),
  email: optional(Type.String({ maxLength: 320 })),
});
/** The first sign-in of a person creates their account. */
const signedIn = Type.Object({
  user: Type.String({ maxLength: 64 }),
  account: AccountId,
  /** An operator has suspended the account; absent otherwise. */
  isSuspended: optional(Type.Boolean()),
});
const createAccount = Type.Object({ name: Type.String({ minLength: 1, maxLength: 120 }) });
const accountCreated = Type.Object({ account: AccountId });

// keys

const settings = {
  name: Name,
  disabled: Type.Boolean(),
  expiresAt: optional(At),
  limits: RateLimits,
  allowedModels: optional(Type.Array(ModelName, { maxItems: 256 })),
  /** True if only the account's own machines may serve the key. */
  selfRouteOnly: Type.Boolean(),
};
const KeySettings = Type.Object(settings);
export type KeySettings = Static<typeof KeySettings>;
const KeyRecord = Type.Object({
  key: KeyId,
  account: AccountId,
  hint: Type.String({ maxLength: 32 }),
  createdAt: At,
  revokedAt: optional(At),
  lastUsedAt: optional(At),
  ...settings,
});
export type KeyRecord = Static<typeof KeyRecord>;

const authenticate = Type.Object({ keyHash: Hash });
const authenticated = Type.Union([
  ok({
    account: AccountId,
    key: KeyId,
    expiresAt: optional(At),
    limits: optional(RateLimits),
    allowedModels: optional(Type.Array(ModelName, { maxItems: 256 })),
    selfRouteOnly: optional(Type.Boolean()),
    /** Limits of the account that replace those of the network; absent without any. */
    accountLimits: optional(RateLimits),
  }),
  refused(['unknown', 'disabled', 'expired', 'suspended']),
]);
export type Authenticated = Static<typeof authenticated>;
/** A missing field has the value of a key without restrictions. */
const createKey = Type.Object({
  account: AccountId,
  key: optional(KeyId),
  keyHash: Hash,
  hint: Type.String({ maxLength: 32 }),
  ...KeySettings.properties,
  disabled: optional(Type.Boolean()),
  limits: optional(RateLimits),
  selfRouteOnly: optional(Type.Boolean()),
});
const keyCreated = Type.Union([
  ok({ key: KeyId }),
  refused(['unknown_account', 'duplicate', 'too_many']),
]);
const ofKey = Type.Object({ key: KeyId, account: optional(AccountId) });
const found = Type.Union([ok({ record: KeyRecord }), refused(['unknown'])]);
const updateKey = Type.Object({ key: KeyId, account: AccountId, ...KeySettings.properties });
/**
 * Replaces the secret of a key. The old secret stops working at once; id, settings and spending
 * remain.
 */
const rotateKey = Type.Object({
  key: KeyId,
  account: AccountId,
  keyHash: Hash,
  hint: Type.String({ maxLength: 32 }),
});
const keyRevoked = Type.Object({ revoked: Type.Boolean() });
const listKeys = Type.Object({ account: optional(AccountId) });
const keys = Type.Object({ keys: Type.Array(KeyRecord, { maxItems: 1000 }) });

// limits

const take = Type.Object({
  /**
   * Requests for a part of the limits, handled in this order. Each is granted completely or
   * refused.
   */
  takes: Type.Array(
    Type.Object({
      ...byName(COUNTED_AMOUNTS, () => optional(count)),
      /**
       * The key, its account, or both. A request is granted only if the limits of all subjects
       * allow it.
       */
      subjects: Type.Array(
        Type.Object({ subject: Type.String({ maxLength: 64 }), limits: RateLimits }),
        { minItems: 1, maxItems: 2 },
      ),
    }),
    { minItems: 1, maxItems: 256 },
  ),
});
export type Take = Static<typeof take>['takes'][number];
const Room = Type.Object({ remaining: count, resetMs: count });
const taken = Type.Object({
  results: Type.Array(
    Type.Object({
      ok: Type.Boolean(),
      /** Remaining use of the first subject that has such a limit. */
      ...byName(RATE_LIMIT_NAMES, () => optional(Room)),
      retryAfterMs: count,
    }),
  ),
});
export type Taken = Static<typeof taken>['results'][number];

// answers that may be asked for twice

const claim = Type.Object({
  account: AccountId,
  idempotencyKey: Hash,
  digest: Hash,
  job: JobId,
  expiresAt: At,
});
const claimed = Type.Union([
  ok({}),
  Type.Object({
    ok: Type.Literal(false),
    code: Type.Literal('answered'),
    job: JobId,
    sealed: SealedContent,
  }),
  refused(['running', 'conflict']),
]);
export type Claimed = Static<typeof claimed>;
/**
 * Ends a claim. `sealed` is the answer, sealed under a secret that only the caller has. Without it
 * no answer is stored, and the next request may claim the key.
 */
const endClaim = Type.Object({
  account: AccountId,
  idempotencyKey: Hash,
  job: JobId,
  sealed: optional(SealedContent),
  expiresAt: optional(At),
});

// devices

/** A machine asks to be linked to an account, or a program asks to sign in as a person. */
const LINK_PURPOSES = ['machine', 'sign_in'] as const;
export type LinkPurpose = (typeof LINK_PURPOSES)[number];
/** Absent means a machine. */
const purpose = optional(Type.Enum(LINK_PURPOSES));
const startLink = Type.Object({
  deviceHash: Hash,
  userCode: Type.String({ pattern: '^[B-Z]{8}$' }),
  expiresAt: At,
  intervalMs: count,
  purpose,
  /** The name that the asking program gave itself, which may be false. */
  client: optional(Type.String({ maxLength: 64 })),
  address: optional(Type.String({ maxLength: 64 })),
});
const findLink = Type.Object({ userCode: Type.String({ maxLength: 32 }) });
const linkFound = Type.Union([
  ok({
    purpose: Type.Enum(LINK_PURPOSES),
    client: Type.String({ maxLength: 64 }),
    address: Type.String({ maxLength: 64 }),
    askedAt: At,
  }),
  refused(['unknown', 'used', 'expired']),
]);
const pollLink = Type.Object({ deviceHash: Hash });
const linkPolled = Type.Union([
  ok({ account: AccountId, purpose }),
  refused([
    'authorization_pending',
    'slow_down',
    'access_denied',
    'expired_token',
    'invalid_grant',
  ]),
]);
const decideLink = Type.Object({
  userCode: Type.String({ maxLength: 32 }),
  account: AccountId,
  approve: Type.Boolean(),
  purpose,
});
const linkDecided = Type.Union([ok({}), refused(['unknown', 'used', 'expired'])]);

// invites and referrals

const createInvite = Type.Object({
  code: Code,
  creditMicroUsd: positive,
  uses: positive,
  expiresAt: optional(At),
});
const inviteCreated = Type.Union([ok({}), refused(['taken'])]);
/**
 * Redeems an invite. A repeated call by the same account succeeds again, with `again`, so that a
 * credit that was interrupted can be completed.
 */
const redeemInvite = Type.Object({ code: Type.String({ maxLength: 64 }), account: AccountId });
const inviteRedeemed = Type.Union([
  ok({ creditMicroUsd: positive, again: Type.Boolean() }),
  refused(['unknown', 'used_up', 'expired']),
]);
const setReferralCode = Type.Object({ account: AccountId, code: Code });
const referralCodeSet = Type.Union([ok({}), refused(['taken'])]);
/** Sets the referrer of an account. It cannot be changed later. */
const applyReferral = Type.Object({ account: AccountId, code: Type.String({ maxLength: 64 }) });
const referralApplied = Type.Union([
  ok({ referrer: AccountId }),
  refused(['unknown', 'own', 'already']),
]);
const ofAccount = Type.Object({ account: AccountId });
const referral = Type.Object({
  code: optional(Code),
  referred: count,
  referrer: optional(AccountId),
});

// operators

const createOperator = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 120 }),
  keyHash: Hash,
});
const operatorCreated = Type.Union([ok({}), refused(['taken'])]);
const revokeOperator = Type.Object({ name: Type.String({ minLength: 1, maxLength: 120 }) });
const operatorRevoked = Type.Union([ok({}), refused(['unknown'])]);
const operators = Type.Object({
  operators: Type.Array(Type.Object({ name: Name, createdAt: At, revokedAt: optional(At) }), {
    maxItems: 1_000,
  }),
});
const authenticateOperator = Type.Object({ keyHash: Hash });
const operatorAuthenticated = Type.Union([ok({ operator: Name }), refused(['unknown'])]);
/**
 * One row of the audit log. It is written before the change, and again with the outcome after it.
 */
const audit = Type.Object({
  id: Type.String({ minLength: 8, maxLength: 64 }),
  operator: Name,
  action: Type.String({ maxLength: 64 }),
  subject: Type.String({ maxLength: 256 }),
  detail: Type.String({ maxLength: 16_384 }),
  outcome: Type.String({ maxLength: 64 }),
});
const listAudit = Type.Object({
  before: optional(At),
  /** Returns only the changes by this actor: an operator, or the account of a person. */
  operator: optional(Name),
  limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
});
const auditRow = Type.Object({ ...audit.properties, at: At });
const audits = Type.Object({ rows: Type.Array(auditRow, { maxItems: 1_000 }) });

const define = methodsOf('accounts');

export const accounts = {
  signIn: define('sign-in', signIn, signedIn),
  createAccount: define('create-account', createAccount, accountCreated),
  findAccounts: define('find-accounts', findAccounts, accountsFound),
  accountRecord: define('account-record', ofAccount, accountRecord),
  suspendAccount: define('suspend-account', suspendAccount, accountRecord),
  resumeAccount: define('resume-account', ofAccount, accountRecord),
  setAccountLimits: define('set-account-limits', setAccountLimits, accountRecord),
  suspendedAccounts: define('suspended-accounts', suspendedAccounts, accountsSuspended),
  authenticate: define('authenticate', authenticate, authenticated),
  createSignInCode: define('create-sign-in-code', createSignInCode, signInCodeCreated),
  redeemSignInCode: define('redeem-sign-in-code', redeemSignInCode, signInCodeRedeemed),
  startSession: define('start-session', startSession, sessionStarted),
  authenticateSession: define('authenticate-session', authenticateSession, sessionAuthenticated),
  endSessions: define('end-sessions', endSessions, sessionsEnded),
  listSessions: define('list-sessions', listSessions, sessionsListed),
  createKey: define('create-key', createKey, keyCreated),
  findKey: define('find-key', ofKey, found),
  updateKey: define('update-key', updateKey, found),
  rotateKey: define('rotate-key', rotateKey, found),
  revokeKey: define('revoke-key', ofKey, keyRevoked),
  listKeys: define('list-keys', listKeys, keys),
  take: define('take', take, taken),
  claim: define('claim', claim, claimed),
  endClaim: define('end-claim', endClaim, nothing),
  putStored: define('put-stored', putStored, storedPut),
  readStored: define('read-stored', ofStored, storedRead),
  listStored: define('list-stored', listStored, storedListed),
  renewStored: define('renew-stored', renewStored, storedRenewed),
  cancelStored: define('cancel-stored', ofStored, storedCancelled),
  deleteStored: define('delete-stored', ofStored, storedDeleted),
  createBatch: define('create-batch', createBatch, batchCreated),
  readBatch: define('read-batch', ofBatch, batchFound),
  listBatches: define('list-batches', listBatches, batchesListed),
  cancelBatch: define('cancel-batch', ofBatch, batchFound),
  deleteBatch: define('delete-batch', ofBatch, batchDeleted),
  grantBatch: define('grant-batch', grantBatch, batchGranted),
  claimBatch: define('claim-batch', claimBatch, batchClaimed),
  renewBatch: define('renew-batch', renewBatch, batchRenewed),
  releaseBatch: define('release-batch', releaseBatch, batchReleased),
  putBatchLine: define('put-batch-line', putBatchLine, batchLinePut),
  readBatchLines: define('read-batch-lines', readBatchLines, batchLinesRead),
  endBatch: define('end-batch', endBatch, batchEnded),
  startLink: define('start-link', startLink, nothing),
  findLink: define('find-link', findLink, linkFound),
  pollLink: define('poll-link', pollLink, linkPolled),
  decideLink: define('decide-link', decideLink, linkDecided),
  createInvite: define('create-invite', createInvite, inviteCreated),
  redeemInvite: define('redeem-invite', redeemInvite, inviteRedeemed),
  setReferralCode: define('set-referral-code', setReferralCode, referralCodeSet),
  applyReferral: define('apply-referral', applyReferral, referralApplied),
  referral: define('referral', ofAccount, referral),
  createOperator: define('create-operator', createOperator, operatorCreated),
  revokeOperator: define('revoke-operator', revokeOperator, operatorRevoked),
  listOperators: define('list-operators', nothing, operators),
  authenticateOperator: define(
    'authenticate-operator',
    authenticateOperator,
    operatorAuthenticated,
  ),
  audit: define('audit', audit, nothing),
  listAudit: define('list-audit', listAudit, audits),
} as const;
