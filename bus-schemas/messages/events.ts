import { type Static, Type } from 'typebox';
import { Bytes, defineMessage } from '../codec.ts';
import {
  AccountId,
  AttemptNumber,
  BuildId,
  IngressId,
  JobId,
  KeyId,
  ModelName,
  ProviderId,
} from '../ids.ts';
import { P256_KEY_BYTES } from '../receipts/signatures.ts';
import { At, count, optional } from '../schema-parts.ts';
import { CellNumber } from './cells.ts';
import { REFUSAL_ABOUTS } from './outcomes.ts';
import { AttemptFailure, Finish, JobResult, Refusal, TrustLevel, Usage } from './vocabulary.ts';

/**
 * Facts on `evt.>`: kept in JetStream, read by components and ops tools. None holds a word of a
 * prompt or an answer.
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
  /** The account that asked. Routing counts by it how many customers a provider blames. */
  account: optional(AccountId),
  /** The provider that the job goes to next, where there is one. */
  next: optional(ProviderId),
});
export type JobAttempt = Static<typeof jobAttempt>;
/** One provider's try ended without serving the job. */
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
  /** What that provider had shown of itself. */
  trustLevel: optional(TrustLevel),
  at: At,
  streamed: Type.Boolean(),
  /** Completion tokens that reached the ingress, counted there. */
  deliveredTokens: count,
  /** What the provider reported at its end, sealed to the ingress; absent when no end came. */
  usage: optional(Usage),
  /**
   * The key that signed `usage` for this job and attempt; the ingress has checked the signature.
   * Absent when it saw none.
   */
  receiptKey: optional(Bytes({ min: P256_KEY_BYTES, max: P256_KEY_BYTES })),
  /** Upper bound of prompt tokens, counted at the ingress. */
  promptBound: count,
  timing: Type.Object({
    routeUs: count,
    holdUs: count,
    firstContentUs: optional(count),
    totalUs: count,
  }),
});
export type JobEnded = Static<typeof jobEnded>;
/** A job is over. Settlement charges by it, routing frees the slot, telemetry counts. */
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
   * Who would have served instead, and how soon: the job goes there when the winner fails at once.
   */
  alternates: optional(
    Type.Array(
      Type.Object({ provider: ProviderId, expectedFirstContentMs: Type.Number({ minimum: 0 }) }),
      { maxItems: 8 },
    ),
  ),
  /** Providers turned down, by the first gate that failed. */
  rejected: Type.Record(Type.String({ maxLength: 32 }), count),
  /** Terms of the winner's expected delay in ms; they sum to the total. */
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

/** Another copy of routing answers from now on. */
const routingLed = Type.Object({
  router: Type.String({ maxLength: 64 }),
  at: At,
  /** Grows with every one that takes over. */
  epoch: count,
  /** Of which cell; the first when left out. */
  cell: optional(CellNumber),
});
export type RoutingLed = Static<typeof routingLed>;
export const RoutingLed = defineMessage('evt.routing.led', routingLed);

const settlementSettled = Type.Object({
  job: JobId,
  account: AccountId,
  at: At,
  outcome: Type.Enum(['settled', 'refunded']),
  heldMicroUsd: count,
  chargedMicroUsd: count,
  providerMicroUsd: count,
  feeMicroUsd: count,
  /** The referrer's part of the fee. */
  referralMicroUsd: count,
  provider: optional(ProviderId),
});
export type SettlementSettled = Static<typeof settlementSettled>;
export const SettlementSettled = defineMessage('evt.settlement.settled', settlementSettled);

const settlementPosted = Type.Object({
  /** Names what was done, for ever. */
  operation: Type.String({ maxLength: 200 }),
  kind: Type.String({ maxLength: 32 }),
  at: At,
  /** They sum to zero. */
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
/** Money moved that no job moved: credits, deposits, withdrawals. */
export const SettlementPosted = defineMessage('evt.settlement.posted', settlementPosted);

const termsChanged = Type.Object({ at: At });
/** Prices, fees or terms were changed: forget what you cached of them. */
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
export const TrustEnrolled = defineMessage('evt.trust.enrolled', trustChange);
export const TrustRevoked = defineMessage('evt.trust.revoked', trustChange);
/** The hub saw the provider's leaf come or go: quicker than any missed beat. */
export const TrustConnected = defineMessage('evt.trust.connected', trustChange);
export const TrustDisconnected = defineMessage('evt.trust.disconnected', trustChange);

const keyChanged = Type.Object({ key: KeyId, at: At });
export type KeyChanged = Static<typeof keyChanged>;
/** A key was made, changed or revoked: forget what you cached of it. */
export const KeyChanged = defineMessage('evt.accounts.key-changed', keyChanged);

const catalogChanged = Type.Object({ revision: count, at: At });
export type CatalogChanged = Static<typeof catalogChanged>;
export const CatalogChanged = defineMessage('evt.catalog.changed', catalogChanged);

const violation = Type.Object({
  provider: ProviderId,
  at: At,
  violation: Type.Enum([
    'unopenable_frame',
    'malformed_message',
    /** Far more messages about itself than a machine may send. */
    'flood',
    /** More tokens billed than the model's tokenizer finds in the answer. */
    'overbilled',
  ]),
  /** The job in which it was seen; always present with `overbilled`. */
  job: optional(JobId),
});
export type Violation = Static<typeof violation>;
/** A provider broke the protocol; counted against it. */
export const Violation = defineMessage('evt.telemetry.violation', violation);
