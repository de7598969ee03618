import { Bytes, defineMessage } from '../codec.ts';
import {
  AccountId,
  AttemptNumber,
  BuildId,
  ConsoleSessionId,
  IngressId,
  JobId,
  KeyId,
  ModelName,
  ProviderId,
} from '../ids.ts';
import { P256_KEY_BYTES } from '../receipts/signed-by.ts';
import { At, count, optional } from '../schema-parts.ts';
import { type Static, Type } from '../type.ts';
import { BatchId } from './batches.ts';
import { CellNumber } from './cells.ts';
import { RoutedBecause } from './choice-reason.ts';
import { REFUSAL_ABOUTS } from './outcomes.ts';
import { StoredId } from './stored-objects.ts';
import {
  AttemptFailure,
  Finish,
  JobResult,
  Refusal,
  RoutingSwitch,
  TrustLevel,
  Usage,
} from './vocabulary.ts';

/**
 * Facts on `evt.>`: stored in JetStream, read by components and operators' tools. No fact contains
 * any text of a prompt or an answer.
 */

const jobAttempt = Type.Object({
  job: JobId,
  attempt: AttemptNumber,
  provider: ProviderId,
  build: BuildId,
  at: At,
  failure: AttemptFailure,
  refusal: optional(Refusal),
  /** The part of an invalid request that the provider named. */
  about: optional(Type.Enum(REFUSAL_ABOUTS)),
  /** The client sealed the request: the ingress cannot vouch for what the provider received. */
  clientSealed: optional(Type.Boolean()),
  /**
   * Account that sent the request. Routing counts how many different accounts a provider blames.
   */
  account: optional(AccountId),
  /** The provider that gets the job next, if there is one. */
  next: optional(ProviderId),
});
export type JobAttempt = Static<typeof jobAttempt>;
/** Published when a provider's attempt ended without serving the job. */
export const JobAttempt = defineMessage('evt.job.attempt', jobAttempt);

const jobEnded = Type.Object({
  job: JobId,
  account: AccountId,
  key: KeyId,
  ingress: IngressId,
  model: ModelName,
  build: BuildId,
  /** The provider that served content; absent when none did. */
  provider: optional(ProviderId),
  attempts: Type.Integer({ minimum: 0, maximum: 64 }),
  result: JobResult,
  finish: optional(Finish),
  /** The trust level of that provider when it served. */
  trustLevel: optional(TrustLevel),
  at: At,
  streamed: Type.Boolean(),
  /** The job was a line of a batch, which costs less. */
  isBatchLine: optional(Type.Boolean()),
  /** Completion tokens that the ingress received, by its own count. */
  deliveredTokens: count,
  /** Usage that the provider reported, sealed to the ingress; absent if the answer did not end. */
  usage: optional(Usage),
  /**
   * The key that signed `usage` for this job and attempt, after the ingress has checked the
   * signature; absent if the ingress received no valid signature.
   */
  receiptKey: optional(Bytes({ min: P256_KEY_BYTES, max: P256_KEY_BYTES })),
  /** Upper bound of the number of prompt tokens, computed by the ingress. */
  promptBound: count,
  timing: Type.Object({
    routeUs: count,
    holdUs: count,
    firstContentUs: optional(count),
    totalUs: count,
  }),
  /** Absent if routing gave no reason, for example because its first reply was lost. */
  routed: optional(RoutedBecause),
});
export type JobEnded = Static<typeof jobEnded>;
/**
 * Published when a job is over. Settlement charges the job, routing releases the slot, telemetry
 * counts.
 */
export const JobEnded = defineMessage('evt.job.ended', jobEnded);

const routingDecision = Type.Object({
  job: JobId,
  at: At,
  model: ModelName,
  outcome: Type.Enum(['placed', 'queued', 'refused']),
  provider: optional(ProviderId),
  build: optional(BuildId),
  candidates: count,
  /**
   * The next best machines with their expected delay. If the first machine fails at once, the job
   * goes to one of these.
   */
  alternates: optional(
    Type.Array(
      Type.Object({ provider: ProviderId, expectedFirstContentMs: Type.Number({ minimum: 0 }) }),
      { maxItems: 8 },
    ),
  ),
  /** Number of machines that cannot serve, by the first gate that each one failed. */
  rejected: Type.Record(Type.String({ maxLength: 32 }), count),
  /** Parts of the first machine's expected delay, in milliseconds; their sum is the delay. */
  cost: optional(Type.Record(Type.String({ maxLength: 32 }), Type.Number())),
  queuedMs: count,
});
export type RoutingDecision = Static<typeof routingDecision>;
export const RoutingDecision = defineMessage('evt.routing.decision', routingDecision);

const routingFleet = Type.Object({
  provider: ProviderId,
  at: At,
  change: Type.Enum(['joined', 'returned', 'silent', 'left', 'draining']),
});
export type RoutingFleet = Static<typeof routingFleet>;
export const RoutingFleet = defineMessage('evt.routing.fleet', routingFleet);

/** Published when another router becomes the leader of its cell. */
const routingLed = Type.Object({
  router: Type.String({ maxLength: 64 }),
  at: At,
  /** Increases with each change of the leader. */
  epoch: count,
  /** The cell of this router; absent means the first cell. */
  cell: optional(CellNumber),
});
export type RoutingLed = Static<typeof routingLed>;
export const RoutingLed = defineMessage('evt.routing.led', routingLed);

const routingSwitched = Type.Object({ name: RoutingSwitch, isOn: Type.Boolean(), at: At });
export type RoutingSwitched = Static<typeof routingSwitched>;
/** Published when an operator switched a part of routing: every router reads the switches again. */
export const RoutingSwitched = defineMessage('evt.routing.switched', routingSwitched);

const settlementSettled = Type.Object({
  job: JobId,
  account: AccountId,
  at: At,
  outcome: Type.Enum(['settled', 'refunded']),
  heldMicroUsd: count,
  chargedMicroUsd: count,
  providerMicroUsd: count,
  feeMicroUsd: count,
  /** The part of the fee that the referrer gets, in micro-dollars. */
  referralMicroUsd: count,
  provider: optional(ProviderId),
});
export type SettlementSettled = Static<typeof settlementSettled>;
export const SettlementSettled = defineMessage('evt.settlement.settled', settlementSettled);

const settlementPosted = Type.Object({
  /** Permanent unique name of the operation. */
  operation: Type.String({ maxLength: 200 }),
  kind: Type.String({ maxLength: 32 }),
  at: At,
  /** The amounts of all entries sum to zero. */
  entries: Type.Array(
    Type.Object({
      account: Type.String({ maxLength: 128 }),
      amountMicroUsd: Type.Integer(),
      earnedMicroUsd: Type.Integer(),
    }),
    {
      maxItems: 8,
    },
  ),
});
export type SettlementPosted = Static<typeof settlementPosted>;
/** Published for movements of money that belong to no job: credits, deposits, withdrawals. */
export const SettlementPosted = defineMessage('evt.settlement.posted', settlementPosted);

const termsChanged = Type.Object({ at: At });
/** Published when prices, fees or terms changed: receivers must drop their cached copies. */
export const SettlementTermsChanged = defineMessage('evt.settlement.terms-changed', termsChanged);

export const SETTLEMENT_ALERTS = [
  'operation_conflict',
  'ledger_drift',
  'poison_event',
  'parked',
  'payout_stuck',
] as const;
const settlementAlert = Type.Object({
  at: At,
  alert: Type.Enum(SETTLEMENT_ALERTS),
  subject: Type.String({ maxLength: 128 }),
});
export type SettlementAlert = Static<typeof settlementAlert>;
export const SettlementAlert = defineMessage('evt.settlement.alert', settlementAlert);

const trustChange = Type.Object({ provider: ProviderId, at: At });
export type TrustChange = Static<typeof trustChange>;
const trustEnrolled = Type.Object({
  ...trustChange.properties,
  /** The owner of the machine; absent for a machine of the operator, and from older versions. */
  account: optional(AccountId),
});
export const TrustEnrolled = defineMessage('evt.trust.enrolled', trustEnrolled);
export const TrustRevoked = defineMessage('evt.trust.revoked', trustChange);
/**
 * Published when the hub sees a provider's leaf connect or disconnect. This is faster than a
 * missing beat.
 */
export const TrustConnected = defineMessage('evt.trust.connected', trustChange);
export const TrustDisconnected = defineMessage('evt.trust.disconnected', trustChange);

const keyChanged = Type.Object({
  key: KeyId,
  /** The owner of the key; absent from older versions. */
  account: optional(AccountId),
  at: At,
});
export type KeyChanged = Static<typeof keyChanged>;
/**
 * Published when a key was created, changed or revoked: receivers must drop their cached copies.
 */
export const KeyChanged = defineMessage('evt.accounts.key-changed', keyChanged);

const accountChanged = Type.Object({ account: AccountId, at: At, isSuspended: Type.Boolean() });
export type AccountChanged = Static<typeof accountChanged>;
/**
 * Published when an operator suspended, resumed or limited an account: receivers must drop their
 * cached copies of its keys and people, and trust pauses or resumes its machines.
 */
export const AccountChanged = defineMessage('evt.accounts.account-changed', accountChanged);

const sessionEnded = Type.Object({ account: AccountId, session: ConsoleSessionId, at: At });
export type SessionEnded = Static<typeof sessionEnded>;
/**
 * Published when a session of the console was signed out or replaced by a newer one: receivers must
 * drop their cached copies and end its streams.
 */
export const SessionEnded = defineMessage('evt.accounts.session-ended', sessionEnded);

const storedStopped = Type.Object({ account: AccountId, id: StoredId, at: At });
/**
 * Published when a running response was cancelled or deleted: the ingress that runs it must end its
 * job.
 */
export const StoredStopped = defineMessage('evt.accounts.stored-stopped', storedStopped);

const batchChanged = Type.Object({ id: BatchId, at: At });
/** Published when a batch was created or cancelled, or got its keys: an ingress must run it. */
export const BatchChanged = defineMessage('evt.accounts.batch-changed', batchChanged);

const catalogChanged = Type.Object({ revision: count, at: At });
export type CatalogChanged = Static<typeof catalogChanged>;
export const CatalogChanged = defineMessage('evt.catalog.changed', catalogChanged);

/** Kinds of violations. */
export const VIOLATIONS = [
  'unopenable_frame',
  'malformed_message',
  /** The machine sent far more messages about itself than it may. */
  'flood',
  /** The machine billed more tokens than the model's tokenizer counts in the answer. */
  'overbilled',
] as const;
const violation = Type.Object({
  provider: ProviderId,
  at: At,
  violation: Type.Enum(VIOLATIONS),
  /** The job in which the violation occurred; always present with `overbilled`. */
  job: optional(JobId),
});
export type Violation = Static<typeof violation>;
/** Published when a provider broke the protocol. Each violation counts against the provider. */
export const Violation = defineMessage('evt.telemetry.violation', violation);
